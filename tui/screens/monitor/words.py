"""What is said of a sweep: where it stands and what to do, a line a cell. It knows no widgets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from llprobe.report import progress_line
from llprobe.report.models import size
from llprobe.report.pace import Whole, duration

from ...tilde import short
from .look import Look

__all__ = ["advice", "bar", "cell_table", "headline", "log_line"]

_HEADINGS: Final = ("status", "progress", "items", "rate", "left", "best", "machine")
_GIVE_WAY: Final = ("best", "machine")
"""Columns that are left out, one after the other, where names would be cut."""
_BAR: Final = 8
_NARROWEST: Final = 16
_NEEDS_NO_WORDS: Final = {"ablation": "none", "answer": "cloze", "shots": "default", "seed": 0}
_PEAK: Final = re.compile(r"peak_memory ([0-9.]+(?:e[+-]?[0-9]+)?)")
_SIGNS: Final = {"done": "✓", "running": "▶", "failed": "✗", "interrupted": "!"}


def headline(found: Look, pace: Whole | None) -> str:
    """Say where a sweep stands, in a line."""
    if found.run is None:
        return f"{found.name}: {_before(found)}"
    speed = _pace(pace) if pace is not None and found.workers else ""
    said = [f"{found.name}, {found.run.status}: {progress_line(found.counts)}", speed]
    return "; ".join(filter(None, said))


def _pace(pace: Whole) -> str:
    if pace.rate is None or pace.seconds_left is None:
        return ""
    return f"{_speed(pace.rate)}, about {duration(pace.seconds_left)} left"


def _before(found: Look) -> str:
    if found.pid is not None:
        return f"process {found.pid} prepares it: see the log"
    return "nothing is stored of it"


def advice(found: Look) -> str:
    """Say what has happened and what can be done; empty where nothing needs to be said."""
    if found.run is None:
        return _not_begun(found)
    errors = list(dict.fromkeys(row["error"] for row in found.rows if row["error"]))
    failed = [f"✗ {error}" for error in errors[:3]]
    if len(errors) > len(failed):
        failed.append(f"and {len(errors) - len(failed)} more")
    again = ["t tries what failed again"] if errors and not found.works else []
    return "\n".join(filter(None, [_of_status(found), *failed, *again]))


def _not_begun(found: Look) -> str:
    if found.pid is not None:
        return ""
    said = [line for line in found.log if line.startswith("error:")][-1:]
    if said:
        return f"✗ it could not be started: {said[0].removeprefix('error: ')}"
    return found.problem or "its process has ended before anything was planned: see the log"


def _of_status(found: Look) -> str:
    if found.workers:
        return ""
    if found.pid is not None and found.run is not None and found.run.status != "done":
        return f"process {found.pid} works on it, and does not score at the moment: see the log"
    match found.run.status if found.run else "":
        case "running" | "interrupted":
            return (
                "! the process that ran it is gone: it was killed, or the machine went down. "
                "What is scored is stored; r goes on with the rest"
            )
        case "paused" | "cancelled" | "stopped" as status:
            return f"it is {status}; what is scored is stored, and r goes on with the rest"
        case "done":
            return "all of it is done; Enter opens it"
        case _:
            return ""


def cell_table(
    found: Look, paces: Mapping[str, Whole], width: int
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Return headings, and a row for each cell by its id, for a table `width` characters wide.

    Columns that say nothing are left out, and the last ones where names would be cut.
    """
    telling = _telling(found.rows)
    names = [_called(row, telling) for row in found.rows]
    cells = [_cells(row, found, paces) for row in found.rows]
    kept = [n for n in range(len(_HEADINGS)) if any(of[n] for of in cells)]
    longest = max(map(len, names), default=0)
    for heading in _GIVE_WAY:
        if kept and _room(cells, kept, width) < longest:
            kept = [n for n in kept if _HEADINGS[n] != heading]
    room = max(_NARROWEST, min(longest, _room(cells, kept, width)))
    lines = zip(found.rows, names, cells, strict=True)
    return ("cell", *(_HEADINGS[n] for n in kept)), {
        row["cell"]: (_short(name, room), *(of[n] for n in kept)) for row, name, of in lines
    }


def _cells(row: Mapping[str, Any], found: Look, paces: Mapping[str, Whole]) -> tuple[str, ...]:
    """Return what stands under the headings."""
    pace = paces.get(row["cell"])
    return (
        f"{_SIGNS.get(row['status'], '·')} {row['status']}",
        bar(row["done"], row["items"]),
        f"{row['done']}/{row['items']}",
        _rate(found.rates.get(row["cell"]), pace),
        _left(pace),
        _best(row),
        row["machine"],
    )


def _room(cells: Sequence[Sequence[str]], kept: Sequence[int], width: int) -> int:
    """Return what is left for names; each column has a space on both sides."""
    widths = [max(len(_HEADINGS[n]), *(len(of[n]) for of in cells)) for n in kept]
    return width - sum(each + 2 for each in widths) - 4


def _telling(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return what tells these cells apart."""
    listed = list(rows)
    keys = ("model", "task", "answer", "shots", "seed", "lens", "ablation")
    return {key for key in keys if len({row[key] for row in listed}) > 1} | {"task"}


def _called(row: Mapping[str, Any], telling: set[str]) -> str:
    said = {
        "model": row["model"], "task": row["task"], "lens": row["lens"], "answer": row["answer"],
        "shots": f"{row['shots']} shots", "seed": f"seed {row['seed']}",
        "ablation": f"without {row['ablation']}",
    }  # fmt: skip
    return " ".join(
        text
        for key, text in said.items()
        if key in telling and text and row[key] != _NEEDS_NO_WORDS.get(key)
    )


def _short(text: str, room: int) -> str:
    """Shorten in the middle: names differ at both of their ends."""
    if len(text) <= room:
        return text
    end = (room - 1) // 2
    return f"{text[: room - 1 - end]}…{text[-end:]}"


def bar(done: int, total: int, width: int = _BAR) -> str:
    """Return a bar of characters, as full as `done` of `total`."""
    full = width if total == 0 else min(width, width * done // total)
    return "█" * full + "░" * (width - full)


def _rate(done: float | None, pace: Whole | None) -> str:
    rate = pace.rate if pace is not None and pace.rate else done
    return "" if rate is None else _speed(rate)


def _speed(rate: float) -> str:
    """Return items a second as items a minute, which are numbers to be read of slow cells too."""
    a_minute = 60 * rate
    return f"{a_minute:,.0f} items/min" if a_minute >= 10 else f"{a_minute:.1f} items/min"


def _left(pace: Whole | None) -> str:
    left = pace.seconds_left if pace is not None else None
    return "" if left is None else duration(left)


def _best(row: Mapping[str, Any]) -> str:
    best = row["best_held_out"]
    return "" if best is None else f"{100 * best:.0f}% at {row['best_layer']}"


def log_line(line: str) -> str:
    """Return a line of the log with the time of day only, and with sizes for people."""
    line = _PEAK.sub(lambda found: f"peak memory {size(round(float(found[1])))}", short(line))
    stamp, space, rest = line.partition(" ")
    date, sign, time = stamp.partition("T")
    dated = space and sign and len(date) == 10 and time[:2].isdigit()
    return f"{time[:8]} {rest}" if dated else line

"""`llprobe report`: stored runs as one file that can be handed over.

This module knows the command's options. What is in a report is `page`'s to say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llprobe.cli.console import err
from llprobe.cli.options import Db, database, option
from llprobe.errors import UsageError
from llprobe.store import Store

__all__ = ["report"]


def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(help="Runs or sweeps: ids, beginnings of ids, names, or `last`."),
    ] = None,
    output: Annotated[
        Path, option("-o", "--output", help="The file to write, .html or .md.", dir_okay=False)
    ] = Path("report.html"),
    items: Annotated[
        bool, option("--items/--no-items", help="Put every question into the page.")
    ] = True,
    title: Annotated[str, option("--title", help="The report's heading.")] = "",
    db: Db = None,
) -> None:
    """Write runs as one file: a page that needs no network, or Markdown for a repository."""
    from llprobe import page  # noqa: PLC0415 - statistics and templates are not needed by --help

    page.check_ending(output)
    _check_folder(output)
    for name in runs or ():
        if name.startswith("paper:"):
            raise UsageError(f"{name}: the paper's curves are in every report; name a run of yours")
    with Store(database(db), create=False) as store:
        found = list(dict.fromkeys(store.find_run(name) for name in runs or ["last"]))
        with_items = items and output.suffix.lower() not in {".md", ".markdown"}
        gathered = page.gather(store, found, items=with_items, title=title)
    size = page.write_report(gathered, output)
    err.print(f"{output}: {_size(size)}", markup=False)


def _check_folder(output: Path) -> None:
    """Refuse a folder that is not there before anything is computed."""
    if not output.parent.is_dir():
        raise UsageError(f"cannot write {output}: there is no folder {output.parent}")


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:.1f} MiB" if n_bytes >= 1 << 20 else f"{n_bytes / 2**10:.0f} KiB"

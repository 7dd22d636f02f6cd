"""`llprobe plot`: figures of runs and of published tables, to a file or in the terminal.

This module knows the command's options. What a figure shows, and how it is drawn, is `plots`'s.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console

from llprobe.cli.console import err
from llprobe.cli.follow import interruptible
from llprobe.cli.options import By, Db, Layers, Metric, database, option, writable
from llprobe.cli.output import draw, write
from llprobe.cli.progress import Meter
from llprobe.cli.runs import check_metric
from llprobe.errors import UnknownName, UsageError
from llprobe.published import is_published
from llprobe.runner import Cancel
from llprobe.store import Store

if TYPE_CHECKING:
    from llprobe.plots import Figure, Wish

__all__ = ["plot"]

Kind = Annotated[
    str,
    typer.Argument(
        metavar="KIND",
        help="curves: over layers; heat: layers x tasks, languages or groups; radar: by task or "
        "operation; scale: over parameters; quants: over bits per weight; items: which are right "
        "at which layer; trajectory: one item's options; cka: likeness of layers (runs the model).",
    ),
]
Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Runs (ids, their beginnings, names, `last`) or published tables "
        "(paper:llama2-7b, paper:llama2-13b, paper:llama2-70b).",
    ),
]


class Rows(StrEnum):
    """What the rows of a heat map are."""

    TASKS = "tasks"
    LANGUAGES = "languages"
    GROUPS = "groups"


_CKA: Final = "cka"
_WITHOUT_SCREEN: Final = 100
_ALL_BUT_CKA: Final = ("curves", "heat", "radar", "scale", "quants", "items", "trajectory")
_APPLIES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    "lens": _ALL_BUT_CKA,
    "metric": _ALL_BUT_CKA[:-1],
    "by": ("curves", "heat", "radar"),
    "rows": ("heat",),
    "layers": ("radar", "scale", "quants"),
    "depth": ("curves",),
    "item": ("trajectory",),
})  # fmt: skip
"""The kinds of figure that an option is for; the others have nothing to do with it."""


def plot(
    kind: Kind,
    runs: Runs,
    output: Annotated[
        Path | None,
        option("-o", "--output", help="The file to draw to.", dir_okay=False, callback=writable),
    ] = None,
    task: Annotated[str | None, option("-t", "--task", help="Only this task.")] = None,
    lens: Annotated[str | None, option("--lens", help="Only this lens.")] = None,
    model: Annotated[str | None, option("--of", help="Only this model.")] = None,
    metric: Metric = "mc1",
    by: By = None,
    rows: Annotated[
        Rows | None, option("--rows", help="heat: what the rows are; default: tasks.")
    ] = None,
    layers: Layers = None,
    depth: Annotated[
        bool, option("--depth", help="curves: layers as a share of the model's.")
    ] = False,
    item: Annotated[str | None, option("--item", help="trajectory: the item's id.")] = None,
    title: Annotated[
        str | None, option("--title", help="A title in place of the figure's own; '' for none.")
    ] = None,
    width: Annotated[
        float | None, option("--width", help="Inches; in the terminal, characters.")
    ] = None,
    height: Annotated[
        float | None, option("--height", help="Inches; in the terminal, rows of a panel.")
    ] = None,
    db: Db = None,
) -> None:
    """Draw a figure of runs to FILE.svg, .png or .pdf; curves and heat maps here too."""
    from llprobe import plots  # noqa: PLC0415 - the numbers' modules take time to load

    check_metric(metric, pmi=True)
    _check(kind, {"lens": lens, "metric": metric != "mc1", "by": by, "rows": rows,
                  "layers": layers, "depth": depth, "item": item})  # fmt: skip
    size = _checked_output(kind, output, width, height)
    chosen = rows or (Rows.GROUPS if kind == "heat" and by else Rows.TASKS)
    wish = plots.Wish(task, lens, metric, by, chosen.value, depth, layers, item, title, model)
    figure = _figure(kind, runs, wish, db)
    if output is None:
        _print(figure, width, height)
        return
    for note in plots.save(figure, output, size):
        err.print(f"note: {note}", markup=False)
    for remark in figure.remarks:
        err.print(f"note: {remark}", markup=False)


def _check(kind: str, given: Mapping[str, Any]) -> None:
    """Refuse a kind that there is not, and options that it has no use for."""
    known = (*_ALL_BUT_CKA, _CKA)
    if kind not in known:
        raise UnknownName("kind of figure", kind, known)
    for name, value in given.items():
        if value and kind not in _APPLIES[name]:
            raise UsageError(
                f"--{name} is for {', '.join(_APPLIES[name])}; leave it out for {kind}"
            )


def _checked_output(
    kind: str, output: Path | None, width: float | None, height: float | None
) -> Any:
    """Return the sheet's size; refuse, before anything is computed, what cannot be drawn."""
    from llprobe import plots  # noqa: PLC0415 - as above

    if output is not None:
        plots.check_path(output)
        return plots.Size(width, height)
    if kind not in plots.IN_TERMINAL:
        raise UsageError(f"{kind} is drawn to a file: add -o {kind}.svg (or .png, .pdf)")
    for name, value, least in (("width", width, 40), ("height", height, 4)):
        if value is not None and not least <= value <= 1000:
            raise UsageError(f"--{name} {value:g}: in the terminal, give {least} to 1000")
    return None


def _figure(kind: str, runs: Sequence[str], wish: Wish, db: Path | None) -> Figure:
    from llprobe import plots  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        own = not all(is_published(run) for run in runs)
        store = stack.enter_context(Store(database(db), create=False)) if own else None
        if kind != _CKA:
            return plots.gather(kind, store, runs, wish)
        if store is None or any(is_published(run) for run in runs):
            raise UsageError("cka reads a model's states: name runs of your own (`llprobe ls`)")
        return _matrix(store, runs, wish)


def _matrix(store: Store, runs: Sequence[str], wish: Wish) -> Figure:
    from llprobe import plots  # noqa: PLC0415 - as above
    from llprobe.likeness import similarity_of_runs  # noqa: PLC0415 - as above

    cancel = Cancel()
    with interruptible(cancel), _meters() as meter:
        found = similarity_of_runs(
            store, runs, wish.task, model=wish.model, cancel=cancel, watch=meter
        )
    return plots.matrix(found, wish.title)


class _Meters:
    """A meter for each model, one after the other."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._shown: Meter | None = None

    def __call__(self, model: str, done: int, total: int) -> None:
        """Say that `done` of a model's `total` questions are read."""
        if not done or self._shown is None:
            self._stack.close()
            self._shown = self._stack.enter_context(Meter(model, total, "questions"))
        self._shown.update(done)


@contextmanager
def _meters() -> Iterator[_Meters]:
    with ExitStack() as stack:
        yield _Meters(stack)


def _print(figure: Figure, width: float | None, height: float | None) -> None:
    """Draw a figure on the screen, or for a pipe."""
    from llprobe import plots  # noqa: PLC0415 - as above

    room = Console().width if sys.stdout.isatty() else _WITHOUT_SCREEN
    lines = plots.terminal(figure, int(width or room), int(height or 12))
    write(draw(*lines), None)

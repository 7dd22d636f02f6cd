"""What was mended, skipped or failed in a run, and what is to be known of its models, in words.

The only place that says so: the command line, the report and the TUI show these lines beside the
numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from llprobe.store import CellRecord
from llprobe.task import Skipped
from llprobe.task.prior import PRIOR

__all__ = ["nothing_scored", "remarks", "skipped_briefly"]

_LISTED = 3


def remarks(cells: Iterable[CellRecord]) -> list[str]:
    """Return a line for each remark on cells; what several cells share is said once."""
    return list(dict.fromkeys(line for cell in cells for line in _of(cell)))


def _of(cell: CellRecord) -> Iterator[str]:
    yield from (f"{cell.model}: {remark}" for remark in cell.remarks)
    if not cell.whole:
        yield (
            f"{cell.task}: --skip-shared left out what the options of a question have in common: "
            "log-probabilities lack it, and acc_norm of whole options is not known"
        )
    yield from (f"{cell.task}: {note}" for note in cell.notes)
    yield from (f"{cell.task}: skipped {s.id}: {s.reason}" for s in cell.skipped)
    if cell.error:
        yield f"{cell.task}: failed on {cell.model}: {cell.error}"
    if cell.n_done < cell.n_items:
        yield f"{cell.task}: {cell.n_done} of {cell.n_items} items are scored on {cell.model}"


def skipped_briefly(items: Sequence[Skipped]) -> str:
    """Return how many items are skipped, and the first of them with their reasons."""
    listed = "; ".join(f"{item.id}: {item.reason}" for item in items[:_LISTED])
    left = len(items) - _LISTED
    more = f"; `llprobe show` lists {left} more" if left > 0 else ""
    return f"{len(items)} skipped ({listed}{more})"


def nothing_scored(cells: Sequence[CellRecord]) -> str:
    """Say why nothing could be scored where all items of all cells were skipped; else empty."""
    asked = [cell for cell in cells if cell.answer != PRIOR]
    skipped = [cell for cell in asked if cell.skipped and not cell.n_items]
    if not asked or len(skipped) < len(asked):
        return ""
    first = skipped[0].skipped[0]
    return f"nothing is scored: all items were skipped; {first.id}: {first.reason}"

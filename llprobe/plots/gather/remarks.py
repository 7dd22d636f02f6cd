"""What must be said beside a figure that shows published rows. This module knows sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from llprobe.errors import UsageError
from llprobe.plots.gather.names import unique
from llprobe.plots.gather.sources import Printed, Scored, Track, printed, scored
from llprobe.plots.gather.wish import Wish

__all__ = ["grouped", "only_own", "only_printable", "remarks"]


def remarks(found: Sequence[Track], more: Iterable[str] = ()) -> tuple[str, ...]:
    """Return what must be said of published rows, then `more`, each sentence once."""
    rows = printed(found)
    copied = [remark for row in rows for remark in row.run.remarks_on(row.task)]
    own = {track.panel for track in scored(found)}
    pairs = unique(f"{row.task} beside {row.panel}" for row in rows if row.panel in own)
    other = (
        [f"Published values are of other questions than the run's: {', '.join(pairs)}."]
        if pairs
        else []
    )
    return tuple(unique([*copied, *other, *more]))


def only_own(found: Sequence[Track], why: str) -> list[Scored]:
    """Return the stored cells; UsageError, which says `why`, where there is none."""
    own = scored(found)
    if not own:
        raise UsageError(f"published tables have no {why}: name a run of your own (`llprobe ls`)")
    return own


def grouped(found: Sequence[Track], by: str) -> list[Scored]:
    """Return the stored cells whose items can be sorted `by`; UsageError where there is none."""
    own = only_own(found, f"groups, which --by {by} needs")
    known = unique(facet for track in own for facet in track.cell.facets)
    if by not in {"group", "facet", *known}:
        raise UsageError(f"--by {by}: these tasks have {', '.join(['group', 'facet', *known])}")
    return [track for track in own if by in {"group", "facet", *track.cell.facets}]


def only_printable(found: Sequence[Track], wish: Wish) -> list[Track]:
    """Return the tracks that have the metric: published rows hold MC1 alone.

    Raises UsageError where that leaves none.
    """
    kept = [track for track in found if wish.metric == "mc1" or not isinstance(track, Printed)]
    if not kept:
        raise UsageError(f"--metric {wish.metric}: the published tables hold mc1 only")
    return kept

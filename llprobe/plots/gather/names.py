"""What the tracks of a figure are called: by what tells them apart, and by what they share.

This module knows features of tracks. It does not know their numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from llprobe.plots.gather.sources import Printed, Scored, Track, scored

__all__ = ["by_panel", "counted", "heading", "names", "shared", "titles", "unique"]

_MOST: Final = 3


def names(found: Sequence[Track]) -> list[str]:
    """Name every track by its model and by what differs; no two of a panel are named the same."""
    own = [_features(track) for track in scored(found)]
    telling = [key for key in (own[0] if own else {}) if len({f[key] for f in own}) > 1]
    said = [
        " ".join([track.model, *(_features(track)[key] for key in telling if key != "model")])
        if isinstance(track, Scored) else track.model
        for track in found
    ]  # fmt: skip
    return _apart(found, [" ".join(name.split()) for name in said])


def _features(track: Scored) -> dict[str, str]:
    cell = track.cell
    return {
        "model": cell.model,
        "lens": f"lens {cell.lens}",
        "answer": cell.answer,
        "ablation": "" if cell.ablation == "none" else f"without {cell.ablation}",
        "shots": f"{cell.shots} shots",
        "seed": f"seed {cell.seed}",
    }


def _apart(found: Sequence[Track], said: list[str]) -> list[str]:
    """Add to names that a panel has twice the number of items, and then the cell's id."""
    for more in (_items, _id):
        times = Counter((track.panel, name) for track, name in zip(found, said, strict=True))
        said = [
            f"{name}{more(track)}" if times[track.panel, name] > 1 else name
            for track, name in zip(found, said, strict=True)
        ]
    return said


def _items(track: Track) -> str:
    return f" n={track.cell.n_done}" if isinstance(track, Scored) else f" {track.task}"


def _id(track: Track) -> str:
    return f" {track.cell.id[:6]}" if isinstance(track, Scored) else ""


def by_panel(found: Sequence[Track]) -> dict[str, list[int]]:
    """Return the numbers of the tracks of each panel, in the order of the tracks."""
    panels: dict[str, list[int]] = {}
    for n, track in enumerate(found):
        panels.setdefault(track.panel, []).append(n)
    return panels


def titles(found: Sequence[Track]) -> list[str]:
    """Return the titles of panels of one track each: task, name where names differ, items."""
    said = names(found)
    several = len(set(said)) > 1
    return [
        f"{', '.join([track.panel, *([name] if several else [])])}{_sized(track)}"
        for track, name in zip(found, said, strict=True)
    ]


def _sized(track: Track) -> str:
    size = counted([track])
    return f" ({size})" if size else ""


def unique(texts: Iterable[str]) -> list[str]:
    """Return texts without repeats, in their order."""
    return list(dict.fromkeys(texts))


def heading(what: str, found: Sequence[Track], *more: str) -> str:
    """Say what a figure shows of which models and task; many are counted."""
    tasks, models = unique(t.panel for t in found), unique(t.model for t in found)
    named = [_listed(models, "models"), *([tasks[0]] if len(tasks) == 1 else [])]
    named += [each for each in more if each]
    return f"{what[:1].upper()}{what[1:]}: {', '.join(named)}"


def _listed(texts: Sequence[str], many: str) -> str:
    return ", ".join(texts) if len(texts) <= _MOST else f"{len(texts)} {many}"


def shared(found: Sequence[Track], *more: str) -> str:
    """Say what all tracks share, and where published values are from: the note of a figure."""
    own = [_features(track) for track in scored(found)]
    common = [
        own[0][key] for key in ("lens", "answer", "ablation", "shots", "seed")
        if own and len({f[key] for f in own}) == 1 and own[0][key] not in _PLAIN
    ]  # fmt: skip
    sources = unique(t.run.source for t in found if isinstance(t, Printed))
    paper = [f"published values: {', '.join(sources)}, no intervals"] if sources else []
    return "; ".join(filter(None, [", ".join(common), *paper, *more]))


_PLAIN: Final = frozenset({"", "cloze", "default shots", "seed 0"})
"""What goes without saying."""


def counted(found: Sequence[Track], items: Callable[[Scored], int] | None = None) -> str:
    """Return the number of items of the stored ones among `found`, as `n = 20` or `n = 20-80`."""
    sizes = sorted({items(t) if items else t.cell.n_done for t in scored(found)})
    if not sizes:
        return ""
    return f"n = {sizes[0]}" if len(sizes) == 1 else f"n = {sizes[0]}–{sizes[-1]}"

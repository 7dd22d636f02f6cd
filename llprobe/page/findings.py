"""What a cell's curve says, in sentences.

This module knows findings over layers. It does not know HTML or Markdown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from llprobe.analysis.finding import ExitFinding, JumpFinding, LayerFinding, PeakFinding, Stability
from llprobe.page.data import CellView, Page
from llprobe.page.rows import between, layer_text, ranges

__all__ = ["findings", "sentences"]


def findings(page: Page) -> list[tuple[str, tuple[str, ...]]]:
    """Return each cell's name with what is found in it."""
    return [(view.full, tuple(sentences(view))) for view in page.cells]


def sentences(view: CellView) -> Iterator[str]:
    """Yield what is found in a cell: its best layer first, remarks last."""
    curve = view.curves["mc1"]
    by_name = {finding.name: finding for finding in curve.findings}
    yield _best(view, by_name.get("peak"))
    # a curve that is nowhere above its baseline has no rise that could be over
    silent = {"saturation"} if not view.stars_best else set()
    for name, say in _SAY.items():
        if name in by_name and name not in silent:
            said = say(by_name[name])
            note = by_name[name].note
            yield f"{said} ({note})." if note else f"{said}."
    yield from _stability(curve.stability)
    yield from curve.remarks


def _best(view: CellView, peak: LayerFinding | None) -> str:
    curve, layers = view.curves["mc1"], view.cell.layers
    best = curve.best
    chosen = f"{_percent(best.observed)} of the questions that chose it"
    said = f"Best at layer {layers[best.column]}: {chosen}"
    if best.held_out is not None:
        ends = between(best.low, best.high, "%")
        said += f", {_percent(best.held_out)}{ends} to be expected of others"
    if best.column != len(layers) - 1:
        said += f"; {_percent(curve.mean[-1])} at layer {layers[-1]}"
    if isinstance(peak, PeakFinding) and len(peak.tied) > 1:
        said += f". It may as well be any of the layers {ranges(peak.tied)}"
    return f"{said}."


def _stability(found: Stability) -> Iterator[str]:
    """Say how often the choice stays, where it is known."""
    if found.stable is None:
        return
    ends = between(found.low, found.high, "%")
    yield f"From one layer to the next {_percent(found.stable)}{ends} of the answers stay."


def _percent(value: float) -> str:
    return f"{100 * float(value):.1f}%"


def _onset(finding: LayerFinding) -> str:
    if finding.layer is None:
        return "No onset: there is no layer from which it stays above its baseline"
    return f"Above its baseline from layer {layer_text(finding)} on"


def _jump(finding: LayerFinding) -> str:
    if finding.layer is None or not isinstance(finding, JumpFinding) or finding.size is None:
        return "No single step is told from a curve without one"
    return (
        f"Largest step at layer {layer_text(finding)}: {100 * finding.size:+.1f} points"
        f"{_p(finding.p)}"
    )


def _p(p: float | None) -> str:
    if p is None:
        return ""
    return ", p < 0.001" if p < 0.001 else f", p = {p:.3f}"


def _saturation(finding: LayerFinding) -> str:
    if finding.layer is None:
        return "No layer of saturation"
    return f"Saturated from layer {layer_text(finding)} on"


def _exit(finding: LayerFinding) -> str:
    if finding.layer is None:
        return "No early exit"
    said = f"Half of the questions have their last answer from layer {layer_text(finding)} on"
    if isinstance(finding, ExitFinding) and finding.quartiles:
        first, third = finding.quartiles
        said += f", a quarter from {first}, three quarters from {third}"
    return said


_SAY: Final[Mapping[str, Callable[[LayerFinding], str]]] = MappingProxyType({
    "onset": _onset, "jump": _jump, "saturation": _saturation, "early exit": _exit,
})  # fmt: skip

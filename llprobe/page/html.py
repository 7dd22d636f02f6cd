"""A report as one HTML file that loads nothing: style, script and data are inside.

The content security policy allows this one script and this one style, by their hashes, and no
address at all. This module knows the parts of the file. It does not know where numbers came from.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from importlib.resources import files
from typing import Final

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from llprobe.page.data import CellView, Page
from llprobe.page.findings import findings
from llprobe.page.pack import as_json, as_script_json, blocks
from llprobe.page.rows import common, headings, summary_rows
from llprobe.page.words import READING, methods

__all__ = ["to_html"]

_SCRIPTS: Final = (
    "dom.js", "chart.js", "curves.js", "heat.js", "pack.js", "item.js", "items.js", "report.js",
)  # fmt: skip
_RIGHT: Final = ("items", "chance", "baseline", "best", "at layer", "last", "onset")
"""Columns of numbers."""


def to_html(page: Page) -> str:
    """Return the report as an HTML document."""
    script, style = _script(), _asset("report.css")
    return _environment().from_string(_asset("report.html.j2")).render(
        page=page,
        policy=_policy(script, style),
        style=Markup(style),  # noqa: S704 - the package's own file
        script=Markup(script),  # noqa: S704 - the package's own files
        data=Markup(as_script_json(as_json(page))),  # noqa: S704 - escaped for a script element
        blocks=blocks(page),
        headings=headings(page),
        common=common(page) if page.cells else "",
        right=_RIGHT,
        rows=list(zip(page.cells, summary_rows(page), strict=True)),
        findings=findings(page),
        reading=READING,
        methods=methods(
            (view.cell.lens for view in page.cells),
            (name for view in page.cells for name in view.curves),
        ),
        measured=_measured(page),
        spark=_spark,
    )  # fmt: skip


def _environment() -> Environment:
    found = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    filters = {"when": _when, "share": _share, "amount": _amount, "mib": _mib, "prose": _prose}
    found.filters |= filters
    return found


def _asset(name: str) -> str:
    return files("llprobe.page").joinpath(name).read_text(encoding="utf-8")


def _script() -> str:
    """Return the script: its parts in one function, so that it leaves no name behind."""
    return "(() => {\n" + "\n".join(_asset(name) for name in _SCRIPTS) + "})();\n"


def _policy(script: str, style: str) -> str:
    return (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _measured(page: Page) -> str:
    """Say from when to when the runs were measured."""
    days = sorted({run.record.created[:10] for run in page.runs})
    days += sorted({run.record.updated[:10] for run in page.runs})
    return days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"


def _when(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"


def _prose(text: str) -> Markup:
    """Escape a paragraph; what stands between backticks is code."""
    parts = text.split("`")
    tags = (Markup("{}"), Markup("<code>{}</code>"))
    return Markup().join(tags[n % 2].format(part) for n, part in enumerate(parts))


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _amount(value: int) -> str:
    """Say a number of weights shortly, as models are called: 135M, 6.7B."""
    return f"{value / 1e9:.1f}B" if value >= 1e9 else f"{value / 1e6:.0f}M"


def _mib(value: int) -> str:
    return f"{value / 2**20:,.0f} MiB"


def _spark(view: CellView) -> Markup:
    """Draw a curve as small as a word, between 0 and 1, with its baseline."""
    curve = view.curves["mc1"]
    base = np.broadcast_to(np.asarray(curve.baseline), np.shape(curve.mean))
    return Markup(  # noqa: S704 - numbers only
        '<svg class="spark" width="90" height="24" viewBox="0 0 110 24" '
        'preserveAspectRatio="none" aria-hidden="true">'
        f'<path class="line reference r-chance" d="{_path(base)}"/>'
        f'<path class="line s0" d="{_path(curve.mean)}"/></svg>'
    )


def _path(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    xs = np.linspace(2, 108, len(values))
    known = [(x, v) for x, v in zip(xs.tolist(), values.tolist(), strict=True) if v == v]  # noqa: PLR0124 - NaN
    return "M" + "L".join(f"{x:.1f} {22 - 20 * v:.1f}" for x, v in known) if known else ""

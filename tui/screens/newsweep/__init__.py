"""Planning a sweep: models, tasks and ways to ask in a form, the same as YAML, and what it takes.

`draft`, `choices`, `planning` and `preview` know no widgets; `picks`, `fields` and `dialogs` are
widgets that know no sweeps; `page` puts them together.
"""

from __future__ import annotations

from .page import NewSweepScreen

__all__ = ["NewSweepScreen"]

"""What the palette can go to by name: runs, tasks and models, read in a thread when it opens.

This module knows names, and which screen shows what. It does not know how any of it is shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from textual.command import Hit, Hits, Provider
from textual.screen import Screen

from llprobe.errors import LlprobeError

if TYPE_CHECKING:
    from .app import LlprobeApp

__all__ = ["Place", "Places", "places"]


@dataclass(frozen=True, slots=True)
class Place:
    """Something that has a name and a screen."""

    kind: Literal["run", "task", "model"]
    name: str
    about: str
    """What is said beside the name."""
    key: str
    """What the screen finds it by."""


def places(database: Path) -> list[Place]:
    """Return the runs, the newest first, then tasks and models.

    Raises what reading the database and the models raises.
    """
    return [*_runs(database), *_tasks(), *_models()]


def _runs(database: Path) -> Iterator[Place]:
    if not database.exists():
        return
    from llprobe.store import Store  # noqa: PLC0415 - in a thread: the first screen comes before it

    with Store(database, create=False) as store:
        for run in store.runs():
            yield Place("run", run.name or run.id[:8], run.status, run.id)


def _tasks() -> Iterator[Place]:
    from llprobe.task.listing import known_tasks  # noqa: PLC0415 - likewise

    for name in known_tasks():
        yield Place("task", name, "its questions", name)


def _models() -> Iterator[Place]:
    from llprobe.model import list_models  # noqa: PLC0415 - likewise

    for model in list_models():
        said = "here" if model.downloaded else "not here yet"
        yield Place("model", model.name, f"{model.quant}, {said}", model.name)


class Places(Provider):
    """Offers places by their names."""

    def __init__(self, screen: Screen[Any], match_style: Any = None) -> None:
        super().__init__(screen, match_style)
        self._places: list[Place] = []
        self._problem = ""

    async def startup(self) -> None:
        """Read what there is."""
        database = cast("LlprobeApp", self.app).db
        try:
            self._places = await asyncio.to_thread(places, database)
        except LlprobeError as problem:
            self._problem = str(problem)

    async def search(self, query: str) -> Hits:
        """Offer the places whose names look like the query; where none could be read, why."""
        app = cast("LlprobeApp", self.app)
        matcher = self.matcher(query)
        if self._problem:
            say = partial(app.notify, self._problem, severity="error", markup=False)
            yield Hit(1.0, "Runs, tasks and models cannot be listed", say, help=self._problem)
        for place in self._places:
            name = f"{place.kind.capitalize()}: {place.name}"
            if (score := matcher.match(name)) > 0:
                yield Hit(
                    score, matcher.highlight(name), partial(_go, app, place), help=place.about
                )


def _go(app: LlprobeApp, place: Place) -> None:
    match place.kind:
        case "run":
            app.open_run(place.key)
        case "task":
            app.open_questions(place.key)
        case "model":
            app.open_models(place.key)

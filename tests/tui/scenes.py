"""Every screen in the states that matter, each brought about by keys on a made-up database.

A scene says which database it is shown on and how one gets there. This module knows the screens'
names and keys. It does not know what is done with a scene: pictures, or faults, made of it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from settled import press, settle
from textual.pilot import Pilot
from textual.widgets import TabbedContent

from llprobe.events import LensGrid
from llprobe.report import option_table
from llprobe.store import Store
from llprobe.task.listing import Listed
from llprobe.tui.app import LlprobeApp
from llprobe.tui.page import Page
from llprobe.tui.screens.newsweep.choices import Choices, ModelChoice
from llprobe.tui.screens.questions import QuestionsScreen

__all__ = ["CHOICES", "RUN_TABS", "SCENES", "Scene", "made_up_grid", "show_run"]

Show = Callable[[Pilot[Any]], Awaitable[None]]

RUN_TABS: Final = ("layers", "heat", "groups", "items", "findings", "settings")
_TEXT: Final = "The capital of France is the"
_GIB: Final = 1 << 30
_MISTAKE: Final = (
    "name: first\nmodels: [smollm2-135m]\ntasks: [facts]\nlimit: 20\nlenses: [norm, tuned]\n"
)

CHOICES: Final = Choices(
    (
        ModelChoice("smollm2-135m", "Q4_1", 98_362_432, here=False, needs=_GIB, fits=True),
        ModelChoice("llama2-70b", "Q4_K_M", 41 * _GIB, here=False, needs=43 * _GIB, fits=False),
        ModelChoice("mine:Q8_0", "Q8_0", _GIB, here=True, needs=2 * _GIB, fits=True),
    ),
    (
        Listed("calculation", "task", "arithmetic", 1350, 8, 0.25, "generated"),
        Listed("facts", "task", "facts about the world", 200, 8, 0.1, "bundled"),
        Listed("truthfulqa", "task", "truth", None, 6, None, "--data FILE"),
        Listed("maths", "group", "calculation, mps", 1500, None, None, ""),
    ),
    8 * _GIB,
)
"""What a new sweep is chosen from, in place of what this machine has."""


@dataclass(frozen=True)
class Scene:
    """A screen in a state."""

    name: str
    show: Show
    """Brings a new app there."""
    database: str = "two"
    """`two` runs; `half` has a paused one too, `running` one at work, `failed` one that died;
    `none` is not there."""
    themes: tuple[str, ...] = ("dark", "light", "mono")
    afresh: bool = False
    """Whether it keeps the colours in which it was opened: Textual's palette does."""


def made_up_grid(n_tokens: int = 6, n_layers: int = 12) -> LensGrid:
    """Give a lens grid that is surer of the last token with every layer."""
    names = ("The", " capital", " of", " France", " is", " the", "\n", " 中国", "x")
    tokens = tuple(names[n % len(names)] for n in range(n_tokens))
    depth = np.arange(1, n_layers + 1) / n_layers
    top = tuple(
        tuple(
            tuple((f" w{layer}.{token}.{k}", float(depth[layer] ** 2 / (k + 1))) for k in range(10))
            for token in range(n_tokens)
        )
        for layer in range(n_layers)
    )
    entropy = np.outer(1 - depth, np.linspace(12.0, 4.0, n_tokens))
    ranks = np.outer(np.geomspace(40_000, 1, n_layers), np.ones(n_tokens)).astype(np.int64)
    return LensGrid(tokens, tuple(range(1, n_layers + 1)), top, entropy, {" Paris": ranks})


def _app(pilot: Pilot[Any]) -> LlprobeApp:
    assert isinstance(pilot.app, LlprobeApp)
    return pilot.app


def _opened(of: Callable[[LlprobeApp], object], *keys: str) -> Show:
    """Open a screen over the list of runs, and press keys there."""

    async def show(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        of(_app(pilot))
        await settle(pilot)
        await press(pilot, *keys)

    return show


def _home(*keys: str) -> Show:
    return _opened(lambda _: None, *keys)


async def show_run(pilot: Pilot[Any], tab: str, *keys: str) -> None:
    """Open the run `large` on one of its tabs."""
    await _opened(lambda app: app.open_run("large"))(pilot)
    pilot.app.screen.query_one("#tabs", TabbedContent).active = tab
    await settle(pilot)
    await press(pilot, *keys)


def _run(tab: str, *keys: str) -> Show:
    async def show(pilot: Pilot[Any]) -> None:
        await show_run(pilot, tab, *keys)

    return show


def _item(app: LlprobeApp) -> None:
    """Open the fifth item of the first cell of `large`."""
    with Store(app.db, create=False) as store:
        run = store.find_run("large")
        cell = store.cells(run)[0]
        item = option_table(store, cell, priors=False).ids[4]
    app.open_item(run, cell.id, item)


def _compare(app: LlprobeApp) -> None:
    app.open_compare(("small", "large"))


def _lens(app: LlprobeApp) -> None:
    app.open_lens(_TEXT, "tiny")


def _trouble(app: LlprobeApp) -> None:
    assert isinstance(app.screen, Page)
    app.screen.trouble("the disk that holds the database is full: make room and try again")


_FOUR: Final = ("dark", "light", "mono", "colour-blind")

SCENES: Final = (
    Scene("home-runs", _home("j", "space"), "half"),
    Scene("home-empty", _home(), "none"),
    Scene("home-filter", _home("slash", *"facts sma")),
    Scene("home-help", _home("question_mark")),
    Scene("home-delete", _home("d")),
    Scene("home-tags", _home("t", *"base")),
    Scene("home-note", _home("e", *"seen")),
    Scene("jump", _home("ctrl+o")),
    Scene("home-trouble", _opened(_trouble)),
    Scene("palette", _home("ctrl+p", *"go:"), afresh=True),
    Scene("newsweep-models", _opened(lambda app: app.open_new()), "none"),
    Scene("newsweep-settings", _opened(lambda app: app.open_new(), "l", "l"), "none"),
    Scene("newsweep-yaml", _opened(lambda app: app.open_new(), "h"), "none"),
    Scene("newsweep-mistake", _opened(lambda app: app.open_new(_MISTAKE), "h"), "none"),
    Scene("newsweep-prompt", _opened(lambda app: app.open_new(), "p"), "none"),
    Scene("monitor-half", _opened(lambda app: app.open_monitor("half")), "half"),
    Scene("monitor-running", _opened(lambda app: app.open_monitor("half")), "running"),
    Scene("monitor-failed", _opened(lambda app: app.open_monitor("half")), "failed"),
    Scene("monitor-nothing", _opened(lambda app: app.open_monitor("nothing")), "half"),
    *(Scene(f"run-{tab}", _run(tab)) for tab in RUN_TABS),
    Scene("run-layers-two", _run("layers", "a", "h"), themes=_FOUR),
    Scene("run-heat-groups", _run("heat", "o")),
    Scene("run-items-filter", _run("items", "slash", *"wrong", "enter")),
    Scene("replay", _run("layers", "p", "l", "l")),
    Scene("item", _opened(_item)),
    Scene("compare-differences", _opened(_compare)),
    Scene("compare-curves", _opened(_compare, "t")),
    Scene("compare-items", _opened(_compare, "enter")),
    Scene("compare-nothing", _opened(lambda app: app.open_compare(()))),
    Scene("lens-before", _opened(_lens), "none"),
    Scene("lens-grid", _opened(_lens, "ctrl+r", "h", "j"), "none", _FOUR),
    Scene("lens-entropy", _opened(_lens, "ctrl+r", "c", "h"), "none"),
    Scene("models", _opened(lambda app: app.open_models(), "G", "enter"), "none"),
    Scene("models-quants", _opened(lambda app: app.open_models(), "G", "z", "space"), "none"),
    Scene("tasks", _opened(lambda app: app.open_tasks(), "j", "j"), "none"),
    Scene(
        "questions",
        _opened(lambda app: app.push_screen(QuestionsScreen("xmps_rea")), "j", "j"),
        "none",
    ),
)
"""All of them, by screens."""

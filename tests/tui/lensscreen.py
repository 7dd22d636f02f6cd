"""What the tests of the lens share: a made-up grid, and opening the screen."""

import numpy as np
from settled import settle
from textual.pilot import Pilot

from llprobe.events import LensGrid
from llprobe.tui.app import LlprobeApp
from llprobe.tui.screens.lens import LensScreen

__all__ = ["TEXT", "made_up", "opened"]


TEXT = "the capital of the city is un"


def made_up(n_tokens: int = 9, n_layers: int = 12) -> LensGrid:
    """Give a grid that is sure of the last token at the upper layers."""
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


async def opened(pilot: Pilot[None], text: str = TEXT, model: str = "") -> LensScreen:
    app = pilot.app
    assert isinstance(app, LlprobeApp)
    app.open_lens(text, model)
    await settle(pilot)
    assert isinstance(app.screen, LensScreen)
    return app.screen

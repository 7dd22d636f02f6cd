"""Figures in a terminal: curves with axes and letters, and bars by layer."""

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from plothelp import ODD, PAPER, gather, planted, similarity, two_models

from llprobe import plots
from llprobe.plots import shapes
from llprobe.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("terminal")
    with planted(folder / "a.db", two_models(folder)) as store:
        yield store


def drawn(figure: shapes.Figure, width: int, height: int = 12) -> list[str]:
    return [text.plain for text in plots.terminal(figure, width, height)]


@pytest.mark.parametrize("width", [40, 80, 160])
def test_curves_in_a_terminal_have_axes_letters_and_chance(width: int) -> None:
    rows = drawn(gather(None, "curves", *PAPER, task="lama"), width)
    body = [row for row in rows if row.startswith(tuple("0123456789 ")) and ("┤" in row)]
    assert [row.split("%")[0].strip() for row in body][-1] == "0"
    plot = [row for row in rows if "│" in row or "┤" in row]
    assert len(plot) == 12
    assert max(map(len, plot)) <= width
    assert any("chance 10%" in row for row in plot)
    assert all(letter in "".join(plot) for letter in "abc")
    assert "  b paper:llama2-13b" in rows
    assert "looks copied" in rows[-1]
    # the highest value of the figure stands in the upper quarter, the first layers in the lower
    dots = re.compile("[\u2801-\u28ff]")
    assert any(dots.search(row) for row in plot[:3])
    assert dots.search(plot[-1])


def test_a_band_is_shaded_in_a_terminal(store: Store) -> None:
    figure = gather(store, "curves", task="facts")
    panel = figure.panels[0]
    alone = replace(figure, panels=(replace(panel, lines=panel.lines[:1]),))
    assert any("░" in row for row in drawn(alone, 80))


def test_heat_in_a_terminal_is_bars_by_layer() -> None:
    values = np.array([[0.0, 0.5, 1.0], [0.25, np.nan, 0.75]])
    panel = shapes.HeatPanel("p", ("one", ODD), (1, 2, 30), values)
    figure = shapes.Heat("t", "n", ("r",), "layer", "accuracy, %", (panel,))
    rows = drawn(figure, 80)
    one = next(row for row in rows if row.startswith("one"))
    assert "▁▁▁▁▅▅▅▅████" in one
    assert one.endswith("100%")
    assert any("▃▃▃▃····▇▇▇▇" in row for row in rows)
    assert rows[-1] == "r"
    assert not any("\x00" in row or "\ud800" in row for row in rows)


def test_other_figures_have_no_form_for_the_terminal() -> None:
    assert plots.IN_TERMINAL == ("curves", "heat")
    with pytest.raises(TypeError, match="Matrix"):
        plots.terminal(plots.matrix(similarity(4, 5)), 80)

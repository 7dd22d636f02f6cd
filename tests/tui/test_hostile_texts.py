"""Whatever text is in a line that is drawn, a terminal gets none of it that it would obey."""

from pathlib import Path

import pytest
from homescreen import Opening, ids
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from settled import settle
from textual.color import BLACK

from llprobe.printable import printable
from llprobe.store import Store
from llprobe.tui.border import Printable

ESCAPES = "seen \x1b]52;c;eA==\x07 and \x9b31mred \u202eback"


@given(st.lists(st.text(max_size=12), max_size=6))
def test_a_line_is_printable_and_as_wide_as_it_was(texts: list[str]) -> None:
    line = [Segment(text.replace("\n", " ")) for text in texts]
    shown = Printable().apply(line, BLACK)
    assert Segment.get_line_length(shown) == Segment.get_line_length(line)
    assert all(printable(segment.text) == segment.text for segment in shown)


def test_lines_of_our_own_stay_as_they_are() -> None:
    line = [Segment("▁▂▃ é 数 "), Segment("llprobe")]
    assert Printable().apply(line, BLACK) is line


@pytest.mark.asyncio
async def test_a_screen_shows_a_strangers_note_in_printable_characters(database: Path) -> None:
    app = Opening(database)
    with Store(database) as store:
        store.annotate(ids(database)["large"], ESCAPES)
    async with app.run_test(size=(140, 40)) as pilot:
        await settle(pilot)
        drawn = app.export_screenshot()
    assert "seen" in drawn
    assert "\ufffd" in drawn
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(drawn)

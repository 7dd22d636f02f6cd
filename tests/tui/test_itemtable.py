"""The table of any number of rows."""

from collections.abc import Sequence

import pytest
from rich.text import Text
from textual.app import App, ComposeResult

from llprobe.tui.itemtable import Field, ItemTable, one_line, widths


class Many(App[None]):
    """Twenty thousand rows."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.opened: list[int] = []

    def compose(self) -> ComposeResult:
        yield ItemTable(id="many")

    def on_mount(self) -> None:
        table = self.query_one(ItemTable)
        table.show([Field("n", 6), Field("text")], 20_000, self._row)
        table.focus()

    def _row(self, n: int) -> Sequence[Text | str]:
        self.asked.append(n)
        return [str(n), f"row {n}"]

    def on_item_table_opened(self, event: ItemTable.Opened) -> None:
        self.opened.append(event.row)


@pytest.mark.asyncio
async def test_the_table_asks_only_for_rows_on_the_screen_and_keeps_its_cursor_there() -> None:
    app = Many()
    async with app.run_test(size=(40, 10)) as pilot:
        table = app.query_one(ItemTable)
        assert set(app.asked) <= set(range(9))
        await pilot.press("G")
        assert table.cursor == 19_999
        assert table.scroll_y == 20_001 - 10
        assert {n for n in app.asked if n > 8} <= set(range(19_991, 20_000))
        await pilot.press("k", "enter")
        await pilot.pause()
        assert app.opened == [19_998]
        await pilot.press("g", "j", "down", "pagedown")
        assert table.cursor == 11
        assert any("> 11" in strip.text for strip in map(table.render_line, range(10)))


@pytest.mark.asyncio
async def test_a_click_moves_the_cursor_and_a_second_one_opens() -> None:
    app = Many()
    async with app.run_test(size=(40, 10)) as pilot:
        await pilot.click(ItemTable, offset=(5, 4))
        assert app.query_one(ItemTable).cursor == 3
        await pilot.click(ItemTable, offset=(5, 0))
        assert app.query_one(ItemTable).cursor == 3
        await pilot.click(ItemTable, offset=(5, 4), times=2)
        await pilot.pause()
        assert app.opened == [3]


def test_columns_share_what_is_left_and_texts_stay_on_one_line() -> None:
    fields = [Field("a", 5), Field("b"), Field("c", 4), Field("d")]
    assert widths(fields, 32) == [5, 10, 4, 10]
    assert widths(fields, 8) == [5, 0, 4, 0]
    assert one_line("a\n b\tc\x1b[31m") == "a b c\ufffd[31m"

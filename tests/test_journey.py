"""What is said of a journey: screens as Markdown, and nothing of this machine in them."""

from pathlib import Path

import pytest
from journeydriver import Lost, Traveller
from journeypage import END, START, cleaned, leaks, markdown, private_words, written
from journeysteps import Stop

HOME = Path("/tmp/llprobe-journey-x1")  # noqa: S108 - only its name is of use


class Shown:
    """A driver that shows one screen after the other, a look each, and keeps what it is told."""

    def __init__(self, *screens: str) -> None:
        self.screens = [screen.split("\n") for screen in screens]
        self.told: list[object] = []

    def lines(self) -> list[str]:
        return self.screens.pop(0) if len(self.screens) > 1 else self.screens[0]

    def press(self, key: str) -> None:
        self.told.append(key)

    def click(self, column: int, row: int) -> None:
        self.told.append((column, row))

    def open(self) -> None:
        self.told.append("open")

    def ended(self) -> bool:
        return False

    def picture(self) -> bytes | None:
        return None

    def close(self) -> None:
        self.told.append("close")


def test_words_are_waited_for() -> None:
    Traveller(Shown("reading ...", "reading ...", "1 run"), 5.0).see("1 run")


def test_who_is_lost_sees_the_screen() -> None:
    with pytest.raises(Lost, match=r"'2 runs' did not come within 0 s\n\| 1 run"):
        Traveller(Shown("1 run"), 0.01).see("2 runs")
    with pytest.raises(Lost, match="'1 run' did not go"):
        Traveller(Shown("1 run"), 0.01).see_no("1 run")


def test_each_character_must_show() -> None:
    shown = Shown("limit", "limit 4", "limit 4", "limit 40")
    Traveller(shown, 5.0).type("40")
    assert shown.told == ["4", "0"]
    with pytest.raises(Lost, match="'40' did not come"):
        Traveller(Shown("limit 4"), 0.01).type("40")


def test_a_word_is_clicked_where_it_stands() -> None:
    shown = Shown("name\n limit 20")
    Traveller(shown, 5.0).click("limit", beyond=6)
    assert shown.told == [(7, 1)]


def test_a_screen_is_taken_when_it_is_still() -> None:
    assert Traveller(Shown("a", "b", "c"), 5.0).screen() == ["c"]


def test_blanks_and_gaps_are_cut_and_home_is_a_tilde() -> None:
    lines = ["head  ", "", "", "", "", f"file: {HOME}/.cache/x", "", ""]
    assert cleaned(lines, HOME) == ["head", "", "", "file: ~/.cache/x"]


@pytest.mark.parametrize("line", [str(HOME), "of llprobe-journey-x1", f"{Path.home()}/x"])
def test_what_tells_of_this_machine_is_found(line: str) -> None:
    words = private_words(HOME)
    assert leaks(["1 run", line], words) == [line]
    with pytest.raises(Lost, match="tells of this machine"):
        markdown([Stop("Start", "It starts.", (f"broken {line[:-1]}", line))], Path("/x"), words)


def test_a_part_of_another_word_tells_nothing() -> None:
    assert leaks(["rooted vmware"], ["root", "vm"]) == []


def test_a_stop_without_a_title_goes_on() -> None:
    stops = [Stop("Start", "It starts.", ("a",)), Stop("", "It goes on.", ("b",))]
    expected = "### Start\n\nIt starts.\n\n```\na\n```\n\nIt goes on.\n\n```\nb\n```"
    assert markdown(stops, HOME, []) == expected


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    assert written(f"a\n{START}\nold\n{END}\nb", "new") == f"a\n{START}\n\nnew\n\n{END}\nb"
    with pytest.raises(Lost, match="no place"):
        written("a", "new")


def test_the_guide_has_a_place_for_the_journey() -> None:
    guide = Path(__file__).parents[1] / "docs" / "tui.md"
    assert written(guide.read_text(encoding="utf-8"), "new").count("new\n\n" + END) == 1

"""Who is there and who will do: workers in words that come, go, wait, and have other versions."""

from typing import Any

import pytest
from clusterhelp import PYTHON, Answer, Switchboard

from llprobe.cluster.crew import Crew, Hand
from llprobe.cluster.greeting import introduce
from llprobe.cluster.stuck import Stuck
from llprobe.errors import RunError

FIT = introduce(("llprobe", "llama-cpp-python"))


@pytest.fixture
def told() -> list[str]:
    return []


def look(crew: Crew) -> list[str]:
    crew._looked = 0.0
    return [hand.name for hand in crew.look()]


def test_workers_come_and_go(told: list[str]) -> None:
    board = Switchboard({"a": Answer(FIT), "b": Answer(OSError("lost"), "error")})
    crew: Any = Crew(board, told.append)  # type: ignore[arg-type]  # it has what is asked of a link
    assert look(crew) == []
    assert [hand.name for hand in crew.hands.values()] == ["a"]
    assert sorted(told) == sorted(
        [f"{FIT[0]} (a) takes part", "not used: tcp://b:1 (b) does not answer: lost"]
    )
    board.answers = {"c": Answer(FIT)}
    assert look(crew) == ["a"]
    assert [hand.name for hand in crew.hands.values()] == ["c"]


def test_where_no_worker_comes_it_is_said_how_to_start_one(told: list[str]) -> None:
    crew: Any = Crew(Switchboard({}), told.append, patience=0.0)  # type: ignore[arg-type]  # likewise
    with pytest.raises(RunError, match="llprobe cluster worker tcp://HOST:8786"):
        look(crew)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (("far", {"llprobe": "9", "llama-cpp-python": "8"}, ""), "far (x) has llprobe 9 and"),
        (("far", {"llprobe": "", "llama-cpp-python": ""}, ""), "pip install 'llprobe[cluster]'"),
        (("far", {"llprobe": "9", "llama-cpp-python": "8"}, "No module"), "(No module): pip"),
    ],
)
def test_a_worker_that_will_not_do_is_an_error_where_it_is_the_only_one(
    answer: Any, said: str, told: list[str]
) -> None:
    crew: Any = Crew(Switchboard({"x": Answer(answer)}), told.append)  # type: ignore[arg-type]  # likewise
    with pytest.raises(RunError) as refused:
        look(crew)
    assert said in str(refused.value)


def test_a_worker_that_was_started_again_is_another(told: list[str]) -> None:
    board = Switchboard({"a": Answer(FIT)})
    crew: Any = Crew(board, told.append)  # type: ignore[arg-type]  # likewise
    assert look(crew) == []
    (before,) = crew.hands.values()
    before.lacks["model"] = "not there"
    board.starts["a"] = 1
    assert look(crew) == ["a"]
    (after,) = crew.hands.values()
    assert after is not before
    assert not after.lacks
    assert not crew.missing


def test_while_all_workers_are_busy_it_waits_and_says_so_once(told: list[str]) -> None:
    board = Switchboard({"a": Answer(status="pending")})
    crew: Any = Crew(board, told.append, patience=0.0)  # type: ignore[arg-type]  # likewise
    assert look(crew) == []
    assert not told
    crew._alone_since -= 60
    for _ in range(3):
        assert look(crew) == []
    assert told == ["waiting for tcp://a:1 (a): busy with something else, or not answering yet"]
    board.answers["a"].ended(FIT)
    assert look(crew) == []
    assert len(crew.hands) == 1


def test_after_busy_workers_have_gone_nobody_is_waited_for(told: list[str]) -> None:
    board = Switchboard({"a": Answer(status="pending")})
    crew: Any = Crew(board, told.append, patience=0.0)  # type: ignore[arg-type]  # likewise
    look(crew)
    board.answers = {}
    with pytest.raises(RunError, match="no worker has been at"):
        look(crew)


def test_another_python_is_refused_before_code_is_sent_to_it(told: list[str]) -> None:
    board = Switchboard({"old": Answer(FIT), "same": Answer(FIT)}, {"old": "3.2"})
    crew: Any = Crew(board, told.append)  # type: ignore[arg-type]  # likewise
    look(crew)
    assert board.greeted == ["tcp://same:1"]
    assert [hand.name for hand in crew.hands.values()] == ["same"]
    (refused,) = (line for line in told if line.startswith("not used"))
    assert "tcp://old:1 (old) has Python 3.2, this machine" in refused
    assert f"has Python {PYTHON}" in refused


# --- models that nobody has ---------------------------------------------------------------------


class Clock:
    """A time that goes on when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def hand(name: str, *lacks: str) -> Hand:
    return Hand("tcp://h:1", name, name, None, lacks=dict.fromkeys(lacks, "not there"))


@pytest.fixture
def crew(told: list[str]) -> Any:
    return Crew(Switchboard({}), told.append, patience=10.0)  # type: ignore[arg-type]  # likewise


def test_a_model_that_every_worker_lacks_is_given_up_at_once(crew: Any) -> None:
    stuck = Stuck(crew, Clock())
    assert not stuck.why("m")  # nobody is there, which is waited for elsewhere
    crew.hands = {"a": hand("a", "m"), "b": hand("b")}
    assert not stuck.why("m")
    crew.hands["b"].lacks["m"] = "too large"
    assert stuck.why("m") == "not there; too large"
    crew.missing = {"c": hand("c", "m")}
    assert stuck.why("m")


def test_it_is_kept_while_somebody_has_not_answered_yet(crew: Any) -> None:
    clock = Clock()
    stuck = Stuck(crew, clock)
    crew.hands, crew.strangers = {"a": hand("a", "m")}, {"b": hand("b")}
    assert not stuck.why("m")
    clock.now += 99
    assert not stuck.why("m")
    crew.strangers = {}
    assert stuck.why("m")


def test_it_is_kept_for_a_time_where_one_that_had_it_may_come_back(crew: Any) -> None:
    clock = Clock()
    stuck = Stuck(crew, clock)
    crew.hands, crew.missing = {"a": hand("a", "m")}, {"b": hand("b")}
    assert not stuck.why("m")
    clock.now += 9
    assert not stuck.why("m")
    crew.strangers = {"b": hand("b")}
    assert not stuck.why("m")
    crew.strangers = {}
    clock.now += 9
    assert not stuck.why("m")  # counted from here
    clock.now += 10
    assert stuck.why("m")

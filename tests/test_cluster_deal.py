"""Portions grow with what a worker has shown: slow and early workers delay nobody."""

import heapq
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llprobe.cluster.deal import Portion, deal, grown

MINUTE = 60.0


def simulated(n_jobs: int, speeds: Sequence[float], comes: Sequence[float] = ()) -> float:
    """Return after how many seconds the last of some jobs is done; a speed is jobs a second."""
    comes = comes or [0.0] * len(speeds)
    left, may = {"m": n_jobs}, [dict[str, int]() for _ in speeds]
    free, end = [(at, who) for who, at in enumerate(comes)], 0.0
    heapq.heapify(free)
    while free:
        now, who = heapq.heappop(free)
        n_here = sum(at <= now for at in comes)
        portion = deal(left, {}, n_here, "m", (), may[who])
        if portion is None:
            continue
        left["m"] -= portion.n_jobs
        takes = portion.n_jobs / speeds[who]
        may[who]["m"] = grown(portion.n_jobs, takes)
        end = max(end, now + takes)
        heapq.heappush(free, (now + takes, who))
    assert not left["m"]
    return end


ALL = dict.fromkeys("abcd", 99)


def test_a_worker_keeps_to_its_model() -> None:
    assert deal({"a": 8, "b": 80}, {}, 2, "a", (), ALL) == Portion("a", 2)
    assert deal({"a": 8, "b": 80}, {}, 2, "", (), ALL) == Portion("b", 20)
    assert deal({"a": 8, "b": 10}, {"b": 1}, 2, "", (), ALL) == Portion("a", 2)
    assert deal({"a": 8, "b": 80}, {}, 2, "b", {"b"}, ALL) == Portion("a", 2)
    assert deal({"a": 0, "b": 80}, {}, 2, "b", {"b"}, ALL) is None


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 90)), st.integers(1, 9))
def test_everything_is_dealt_once_in_few_portions(left: dict[str, int], n_workers: int) -> None:
    given_, rest, portions = Counter[str](), dict(left), 0
    while portion := deal(rest, {}, n_workers, "", (), ALL):
        assert portion.n_jobs >= 1
        given_[portion.model] += portion.n_jobs
        rest[portion.model] -= portion.n_jobs
        portions += 1
    assert given_ == Counter({model: n for model, n in left.items() if n})
    # what is left halves for every round of all workers
    assert portions <= len(left) * 2 * n_workers * 8


def test_a_worker_begins_with_one_job_of_each_model() -> None:
    assert deal({"a": 100}, {}, 2, "", (), {}) == Portion("a", 1)
    assert deal({"a": 100}, {}, 2, "", (), {"b": 8}) == Portion("a", 1)
    assert deal({"a": 100}, {}, 2, "", (), {"a": 8}) == Portion("a", 8)
    assert deal({"a": 100}, {}, 2, "", (), {"a": 80}) == Portion("a", 25)


def test_portions_grow_while_they_are_short_and_shrink_when_they_are_long() -> None:
    assert grown(1, 0.0) == 8
    assert grown(1, 30.0) == 4
    assert grown(8, 119.0) == 16
    assert grown(8, 240.0) == 8
    assert grown(8, 960.0) == 2
    assert grown(1, 9999.0) == 1


@pytest.mark.parametrize("slow", [0.5, 0.1, 0.02])
def test_a_slow_worker_costs_at_most_a_job_of_its_own(slow: float) -> None:
    together = simulated(100, [1 / MINUTE, slow / MINUTE])
    assert together <= 100 * MINUTE
    assert together <= 100 * MINUTE / (1 + slow) + MINUTE / slow


def test_a_worker_that_was_there_first_has_not_taken_the_half() -> None:
    speeds = [1 / MINUTE] * 4
    assert simulated(100, speeds, [0, 60, 60, 60]) <= 100 / 4 * MINUTE * 1.25
    # nor a slow one that was first
    assert simulated(100, [0.1 / MINUTE, 1 / MINUTE], [0, 300]) <= 100 * MINUTE


def test_short_jobs_are_few_portions_all_the_same() -> None:
    left, may, portions = {"m": 1000}, dict[str, int](), 0
    while portion := deal(left, {}, 1, "m", (), may):
        left["m"] -= portion.n_jobs
        may["m"] = grown(portion.n_jobs, 1.0)
        portions += 1
    assert portions <= 15

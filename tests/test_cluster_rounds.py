"""What becomes of shares: workers in words die, break off, stay away and are stopped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from clihelp import tiny_model, write_questions
from clusterhelp import Answer, Switchboard

from llprobe.children import Cancel
from llprobe.cluster import dispatch
from llprobe.cluster.crew import Crew
from llprobe.cluster.greeting import introduce
from llprobe.cluster.link import told
from llprobe.cluster.orders import Lost, Message, Order, Outcome
from llprobe.events import Event, Failed, GroupScored, ModelLoaded
from llprobe.ledger import Ledger, ids_of
from llprobe.model import read_model
from llprobe.plan import Job, Plan, Sweep, make_plan
from llprobe.settings import EngineSettings
from llprobe.store import Store
from llprobe.task import TaskRequest

LOADED = ModelLoaded({"build": "x"}, 0.1)


class Play:
    """A run of a model's jobs on two workers in words, a round at a time."""

    def __init__(self, store: Store, owner: Any, plan: Plan) -> None:
        self.told, self.cancel = list[str](), Cancel()
        self.store, self.jobs = store, [job for _, jobs in plan.jobs() for job in jobs]
        fit = introduce(("llprobe", "llama-cpp-python"))
        self.link = Switchboard({"a": Answer(fit), "b": Answer(fit)})
        link = cast("Any", self.link)  # it has what is asked of one
        self.crew = Crew(link, self.told.append, patience=0.0)
        self.ledger = Ledger(plan, store, owner, self.cancel)
        self.round = dispatch._Round(link, self.crew, self.ledger, (), self.told.append)

    def go(self) -> list[Event]:
        """Carry out one round; return its events."""
        events = list[Event]()
        for hand in self.crew.look():
            events += self.round._gone(hand)
        if not self.cancel.requests:
            events += self.round._give_out()
        events += self.round._hear()
        events += self.round._pass_on(self.cancel.requests)
        return events

    def last(self, worker: str) -> tuple[Order, Answer]:
        """Return what a worker was given last."""
        return next((o, f) for who, o, f in reversed(self.link.orders) if who == worker)

    def say(self, order: Order, *said: Event, first: int = 0) -> None:
        """Have a worker say something of its share."""
        self.link.said += [Message(order.share, n, each) for n, each in enumerate(said, first)]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    model, questions = tiny_model(tmp_path, n_layers=4), write_questions(tmp_path / "q.jsonl", 6)
    asked, settings = TaskRequest("prompts", data=str(questions)), EngineSettings(n_threads=1)
    jobs = ("none", "skip:each")
    plan = make_plan(Sweep((read_model(model),), (asked,), settings=settings, ablations=jobs))
    with Store(tmp_path / "a.db") as store:
        store.begin(plan, "llprobe run")
        with store.working(plan.id) as owner:
            yield Play(store, owner, plan)


def jobs_of(order: Order) -> list[Job]:
    return list(order.request.jobs)


def scored(job: Job, group: int) -> GroupScored:
    return GroupScored(job.first.id, group, (), 1)


def test_each_worker_begins_with_one_job_and_gets_more_after_it(play: Play) -> None:
    assert play.go() == []
    order, future = play.last("a")
    assert [len(jobs_of(o)) for _, o, _ in play.link.orders] == [1, 1]
    play.say(order, LOADED)
    future.ended(Outcome(1))
    # it said that it is done, and nothing is stored: that is a failure of these cells alone
    assert [event.cells for event in play.go() if isinstance(event, Failed)] == [
        tuple(ids_of(jobs_of(order)))
    ]
    (hand,) = (hand for hand in play.crew.hands.values() if hand.name == "a")
    assert set(hand.may.values()) == {8}


@pytest.mark.parametrize("problem", [OSError("broken pipe"), TimeoutError(), ConnectionError("x")])
def test_a_connection_that_breaks_is_no_failure(play: Play, problem: Exception) -> None:
    play.go()
    order, future = play.last("a")
    play.say(order, LOADED)
    future.ended(problem, "error")
    assert not any(isinstance(event, Failed) for event in play.go())
    assert any("is lost: what it had is computed by others" in line for line in play.told)
    play.go()
    assert play.last("a")[0].share != order.share
    assert jobs_of(play.last("a")[0]) == jobs_of(order)


def test_what_a_worker_raises_of_its_own_is_a_failure(play: Play) -> None:
    play.go()
    play.last("a")[1].ended(ValueError("what is this"), "error")
    (failed,) = (event for event in play.go() if isinstance(event, Failed))
    assert "failed: what is this" in failed.message


def test_an_order_ends_as_its_future_does() -> None:
    assert told(Answer(Outcome(3))) == Outcome(3)
    assert told(Answer(None, "cancelled")) == told(Answer(None, "lost")) == Lost()
    assert told(Answer(TimeoutError("gone since"))) == Lost("gone since")
    assert told(Answer(KeyError("x"), "error")) == "'x'"
    killed = type("KilledWorker", (Exception,), {})("it is dask that gave up")
    assert told(Answer(killed, "error")) == Lost()


def test_absences_before_the_model_is_loaded_count_for_the_first_job_only(play: Play) -> None:
    del play.link.answers["b"]
    failed = list[Failed]()
    for _ in range(3):
        play.go()
        play.last("a")[1].ended(OSError("no space"), "error")
        for hand in play.crew.hands.values():
            hand.may[play.jobs[0].first.model.fingerprint] = 3
        failed += [event for event in play.go() if isinstance(event, Failed)]
    assert [len(jobs_of(order)) for _, order, _ in play.link.orders] == [1, 3, 3]
    (only,) = failed
    assert only.cells == tuple(ids_of(play.jobs[:1]))
    assert "3 workers went away" in only.message
    assert "(no space)" in only.message


def test_a_worker_that_is_started_again_is_lost_and_gets_work_anew(play: Play) -> None:
    play.go()
    order, future = play.last("a")
    play.say(order, LOADED)
    play.go()
    play.link.starts["a"] = 1
    play.crew.doubt()
    assert not any(isinstance(event, Failed) for event in play.go())
    assert future.status == "cancelled"
    again = play.last("a")[0]
    assert again.share != order.share
    assert jobs_of(again) == jobs_of(order)


def test_an_order_that_is_computed_twice_is_counted_once(play: Play) -> None:
    play.go()
    order, future = play.last("a")
    (job,) = jobs_of(order)
    once = (LOADED, scored(job, 0), scored(job, 1))
    play.say(order, *once)
    assert sum(isinstance(event, GroupScored) for event in play.go()) == 2
    play.say(order, *once)
    assert play.go() == []
    play.say(order, scored(job, 2), first=3)
    assert sum(isinstance(event, GroupScored) for event in play.go()) == 1
    assert not future.done()


def test_a_first_request_takes_back_what_nobody_has_begun(play: Play) -> None:
    play.go()
    (begun, at_it), (waiting, queued) = play.last("a"), play.last("b")
    play.say(begun, LOADED)
    play.cancel.request()
    play.go()
    assert (at_it.status, queued.status) == ("pending", "cancelled")
    assert play.link.stops == 1
    assert list(play.round._running) == [begun.share]
    # another process may have it now
    with Store(play.store.path) as other, other.working(play.ledger.plan.id) as owner:
        assert other.claim(owner, ids_of(jobs_of(waiting)))
        assert not other.claim(owner, ids_of(jobs_of(begun)))
    at_it.ended(Outcome(1))
    play.go()
    assert not play.round._running


def test_a_model_that_all_lack_has_failed(play: Play) -> None:
    play.go()
    for worker in ("a", "b"):
        play.last(worker)[1].ended(Outcome(0, "it is not there"))
    play.go()
    (failed,) = (event for event in play.go() if isinstance(event, Failed))
    assert failed.message == "it is not there"
    assert len(failed.cells) == len(play.jobs)


def test_a_model_is_not_given_up_while_a_worker_has_not_answered(play: Play) -> None:
    play.link.answers["late"] = Answer(status="pending")
    play.go()
    for worker in ("a", "b"):
        play.last(worker)[1].ended(Outcome(0, "it is not there"))
    assert play.go() == []
    assert play.go() == []
    play.link.answers["late"].ended(introduce(("llprobe", "llama-cpp-python")))
    play.crew.doubt()
    assert play.go() == []
    assert play.last("late")

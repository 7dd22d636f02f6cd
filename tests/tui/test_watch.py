"""The watch on the database: what another process writes is seen, what it reads is not."""

from collections.abc import Callable
from pathlib import Path

from llprobe.store import Store
from llprobe.tui.watch import Watch


def test_the_watch_sees_writes_and_no_reads(database: Path) -> None:
    watch = Watch(database, lambda: None)
    assert not watch.look()
    with Store(database, create=False) as store:
        assert store.runs()
        assert not watch.look()
        store.ask(store.find_run("small"), "pause")
        assert watch.look()
        assert not watch.look()
    watch.look()  # the log may be folded into the database as it is closed
    with Store(database, create=False) as store:
        assert store.runs()
    assert not watch.look()
    database.unlink()
    assert watch.look()


def test_the_watch_asks_again_while_somebody_may_have_died(
    database: Path, working: Callable[[str], None]
) -> None:
    watch = Watch(database, lambda: None)
    assert sum(watch.look() for _ in range(30)) == 0
    with Store(database, create=False) as store:
        working(store.find_run("small"))
    watch.look()
    assert sum(watch.look() for _ in range(30)) == 3

"""`llprobe cluster check`: who is at a scheduler, and who of them would be used."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import distributed
import pytest
from clihelp import Cli
from clusterhelp import Cluster, cluster, soon

from llprobe.cluster import Place, muster
from llprobe.machine import describe


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a cluster of a worker that will do, one of other versions and one without llprobe."""
    folder = tmp_path_factory.mktemp("mixed")
    old = folder / "old" / "llama_cpp_python-0.0.1.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: llama-cpp-python\nVersion: 0.0.1\n")
    bare = folder / "bare" / "llprobe"
    bare.mkdir(parents=True)
    (bare / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'llprobe'\")")
    with cluster(folder / "c", ["good"]) as made:
        made.worker("old", PYTHONPATH=str(old.parent))
        made.worker("bare", PYTHONPATH=str(bare.parent))
        soon(lambda: len(muster(Place(made.address))) == 3, "three workers")
        yield made


def test_every_worker_is_listed_with_its_machine(mixed: Cluster, tmp_path: Path) -> None:
    done = Cli(tmp_path)("cluster", "check", mixed.address, "-F", "json")
    assert done.code == 0, done.err
    bare, good, old = done.rows
    assert [row["worker"] for row in done.rows] == ["bare", "good", "old"]
    assert [row["state"] for row in done.rows] == ["not used", "ready", "not used"]
    here = describe()
    assert (good["processor"], good["cores"]) == (here["processor"], here["cores"])
    assert good["devices"].startswith("CPU (")
    assert good["memory"].endswith("available")
    assert not good["problem"]
    assert "cannot be used on" in bare["problem"]
    assert "llama-cpp-python 0.0.1, this machine" in old["problem"]
    assert old["memory"] == ""


def test_why_some_are_not_used_is_said_beside_the_table(mixed: Cluster, tmp_path: Path) -> None:
    done = Cli(tmp_path)("cluster", "check", mixed.address)
    assert [line[:9] for line in done.err.splitlines() if "(" in line] == ["not used:"] * 2
    assert "ready" in done.out
    assert "problem" not in done.out


def test_a_worker_that_computes_answers_all_the_same(mixed: Cluster) -> None:
    client: Any = distributed.Client(mixed.address, set_as_default=False)  # type: ignore[no-untyped-call]
    with client:
        work = client.submit(time.sleep, 600, workers=["good"], pure=False)
        soon(lambda: busy(mixed) == ["good"], "a busy worker")
        work.cancel(force=True)


def busy(made: Cluster) -> list[str]:
    return [member.worker for member in muster(Place(made.address)) if member.busy]


def test_where_nobody_will_do_it_fails(tmp_path: Path) -> None:
    (tmp_path / "old" / "llprobe").mkdir(parents=True)
    (tmp_path / "old" / "llprobe" / "__init__.py").write_text("raise ImportError('too old')")
    cli = Cli(tmp_path)
    with cluster(tmp_path / "c") as made:
        alone = cli("cluster", "check", made.address)
        assert alone.code == 1
        assert f"no worker is at {made.address}: start one" in alone.line
        made.worker("old", PYTHONPATH=str(tmp_path / "old"))
        soon(lambda: muster(Place(made.address)), "the worker")
        done = cli("cluster", "check", made.address)
    assert done.code == 1
    assert "(too old): pip install" in " ".join(done.err.split())
    assert "no worker will do" in done.err


def test_a_worker_whose_llama_cpp_does_not_load_is_not_ready(tmp_path: Path) -> None:
    broken = tmp_path / "broken" / "llama_cpp"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise OSError('libllama.so: cannot open')")
    with cluster(tmp_path / "c") as made:
        made.worker("broken", PYTHONPATH=str(broken.parent))
        soon(lambda: muster(Place(made.address)), "the worker")
        done = Cli(tmp_path)("cluster", "check", made.address, "-F", "json")
    assert done.code == 1
    (row,) = done.rows
    assert row["state"] == "not used"
    assert "(broken) cannot compute: the worker ended with exit code 1" in row["problem"]
    assert "libllama.so: cannot open" in row["problem"]


def test_workers_on_this_machine_are_not_looked_up(tmp_path: Path) -> None:
    done = Cli(tmp_path)("cluster", "check", "local:2")
    assert done.code == 2
    assert "local:2 is no scheduler's address" in done.line

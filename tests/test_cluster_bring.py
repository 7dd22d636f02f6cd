"""A worker brings the model that it is to run: which file is taken, and who waits for whom."""

import errno
import fcntl
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import IO, Any, NoReturn

import pytest
from clihelp import tiny_model

from llprobe.catalog import ladder_path
from llprobe.cluster import bring as bringing
from llprobe.cluster.bring import bring
from llprobe.cluster.orders import Wanted
from llprobe.errors import FetchError, ModelFileError, RunError, UsageError
from llprobe.events import QuantizeRequest
from llprobe.model import ModelInfo, read_model

WAITING = "waiting for another worker of this machine, which fetches or makes a model"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the worker's cache, which lies apart from the user's own files."""
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def lock(cache: Path) -> Iterator[IO[str]]:
    """Hold the lock, as a worker does that fetches."""
    with (cache / "cluster.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield held


def away(path: Path, seed: int = 1) -> ModelInfo:
    """Describe a model of that name and these weights, of which no file is here."""
    path.parent.mkdir(exist_ok=True)
    model = read_model(tiny_model(path.parent, path.stem, seed=seed))
    path.unlink()
    return model


def lay(folder: Path, name: str, seed: int = 1) -> Path:
    folder.mkdir(exist_ok=True)
    return tiny_model(folder, name, seed=seed)


def go_on() -> bool:
    return False


def soon() -> Callable[[], bool]:
    """Give a stop that is asked for at the tenth look, so that no test waits for ever."""
    looks = count(1)
    return lambda: next(looks) >= 10


def silent(line: str) -> NoReturn:
    raise AssertionError(f"nothing is to be said, but: {line}")


# --- which file ---------------------------------------------------------------------------------


def test_a_name_is_no_pattern(cache: Path, tmp_path: Path) -> None:
    model = away(tmp_path / "my[v2]model*.gguf")
    lay(cache / "a", "my2model-of-another")
    right = lay(cache / "x", "my[v2]model*")
    assert bring(Wanted(model), silent, go_on).paths == (right,)


def test_of_several_files_of_a_name_the_right_one_is_taken(cache: Path, tmp_path: Path) -> None:
    model = away(tmp_path / "f16.gguf")
    lay(cache / "a", "f16", seed=2)
    right = lay(cache / "b", "f16")
    lay(cache / "c", "f16", seed=3)
    found = bring(Wanted(model), silent, go_on)
    assert (found.paths, found.fingerprint) == ((right,), model.fingerprint)


def test_another_file_at_the_same_path_does_not_hide_the_right_one(
    cache: Path, tmp_path: Path
) -> None:
    model = away(tmp_path / "f16.gguf")
    lay(tmp_path, "f16", seed=2)
    right = lay(cache / "b", "f16")
    assert bring(Wanted(model), silent, go_on).paths == (right,)


@pytest.mark.parametrize("where", ["same path", "cache"])
def test_a_damaged_file_does_not_end_the_search(where: str, cache: Path, tmp_path: Path) -> None:
    model = away(tmp_path / "f16.gguf")
    damaged = lay(tmp_path if where == "same path" else cache / "a", "f16")
    damaged.write_bytes(damaged.read_bytes()[:-100])
    right = lay(cache / "b", "f16")
    assert bring(Wanted(model), silent, go_on).paths == (right,)
    right.unlink()
    with pytest.raises(ModelFileError, match=str(damaged)):
        bring(Wanted(model), silent, go_on)


def test_where_none_fits_the_first_is_named(cache: Path, tmp_path: Path) -> None:
    model = away(tmp_path / "f16.gguf")
    lay(cache / "a", "f16", seed=3)
    lay(cache / "b", "f16", seed=4)
    first = read_model(lay(tmp_path, "f16", seed=2))
    with pytest.raises(ModelFileError) as refused:
        bring(Wanted(model), silent, go_on)
    said = str(refused.value)
    assert f"{first.paths[0]} on " in said
    assert f"(fingerprint {first.fingerprint[:12]}, not {model.fingerprint[:12]})" in said


# --- who waits ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("lock")
def test_a_file_that_is_here_needs_no_lock(tmp_path: Path) -> None:
    model = read_model(lay(tmp_path, "here"))
    assert bring(Wanted(model), silent, soon()).paths == model.paths


@pytest.mark.usefixtures("lock")
def test_a_quant_that_is_here_needs_no_lock() -> None:
    model = quant_of(lay(made_path().parent, made_path().stem))
    assert bring(Wanted(model), silent, soon()).paths == (made_path(),)


@pytest.mark.usefixtures("lock")
def test_a_catalog_model_that_is_here_needs_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = replace(read_model(lay(tmp_path, "known")), origin="catalog")
    monkeypatch.setattr(bringing, "resolve", lambda _: model)
    assert bring(Wanted(model), silent, soon()) == model


def test_a_cache_that_cannot_be_written_refuses_no_file_that_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "file" / "cache"))
    model = read_model(lay(tmp_path, "here"))
    assert bring(Wanted(model), silent, soon()).paths == model.paths
    quant = replace(model, origin="quantized", name="here-12345678:Q8_0")
    with pytest.raises(FetchError, match="cannot write"):
        bring(Wanted(quant, Wanted(model)), silent, soon())


def test_what_another_worker_makes_meanwhile_is_taken_and_the_wait_is_said_once(
    lock: IO[str], tmp_path: Path
) -> None:
    source = Wanted(read_model(lay(tmp_path, "one", seed=5)))
    made = lay(made_path().parent, made_path().stem)
    wanted = Wanted(quant_of(made), source)
    kept = made.rename(tmp_path / "kept")
    told, looks = list[str](), count(1)

    def stop() -> bool:
        if next(looks) == 6:
            kept.rename(made)
            fcntl.flock(lock, fcntl.LOCK_UN)
        return False

    assert bring(wanted, told.append, stop).paths == (made,)
    assert told == [WAITING]


@pytest.mark.usefixtures("lock")
def test_a_stop_is_heard_while_another_worker_is_waited_for(tmp_path: Path) -> None:
    source = Wanted(read_model(lay(tmp_path, "one")))
    quant = replace(source.model, origin="quantized", name="one-12345678:Q8_0")
    told, late = list[str](), soon()
    with pytest.raises(RunError, match="stopped before the model was there"):
        bring(Wanted(quant, source), told.append, lambda: bool(told) or late())
    assert told == [WAITING]


def test_source_and_quant_are_each_brought_alone(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = replace(read_model(lay(tmp_path, "one")), origin="catalog", name="known")
    kept = lay(tmp_path, "kept", seed=2)
    quant = quant_of(kept)
    alone = list[str]()

    def fetch(name: str, *, fetch: bool = False, **_: Any) -> ModelInfo:
        if not fetch:
            raise UsageError(f"{name} is not downloaded")
        alone.append("fetched" if is_locked(cache) else "fetched beside others")
        return source

    def make(request: QuantizeRequest, _: object) -> None:
        alone.append("made" if is_locked(cache) else "made beside others")
        made_path().parent.mkdir(parents=True)
        kept.rename(request.path)

    monkeypatch.setattr(bringing, "resolve", fetch)
    monkeypatch.setattr(bringing, "_make", make)
    told = list[str]()
    assert bring(Wanted(quant, Wanted(source)), told.append, soon()).paths == (made_path(),)
    assert alone == ["fetched", "made"]
    assert told == ["making one-12345678:Q8_0"]
    assert not is_locked(cache)


def test_a_file_system_without_locks_is_named(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Wanted(read_model(lay(tmp_path, "one")))
    quant = replace(source.model, origin="quantized", name="one-12345678:Q8_0")

    def none(*_: object) -> NoReturn:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(FetchError, match=r"cannot lock .*cluster.lock: No locks available"):
        bring(Wanted(quant, source), silent, soon())
    assert cache.is_dir()


def made_path() -> Path:
    path = ladder_path("one-12345678", "Q8_0")
    path.parent.parent.mkdir(exist_ok=True)
    return path


def quant_of(path: Path) -> ModelInfo:
    return replace(read_model(path), origin="quantized", name="one-12345678:Q8_0")


def is_locked(cache: Path) -> bool:
    with (cache / "cluster.lock").open("w") as mine:
        try:
            fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

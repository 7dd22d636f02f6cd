"""Fixtures of the engine's tests: tiny models, written once a session, and probes on them.

No test sees the tasks that whoever runs it has added.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
from tinygguf import write_tiny

from llprobe.engine.probe import Probe
from llprobe.model import read_model
from llprobe.settings import EngineSettings

# Started in the background of a script, this process ignores SIGINT, and so would the commands that
# the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def no_added_tasks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LLPROBE_TASKS", str(tmp_path_factory.mktemp("tasks")))
        yield


class OpenProbe(Protocol):
    """Opens a probe on a model file with one thread; it is closed when the test ends."""

    def __call__(self, path: Path, **settings: Any) -> Probe: ...


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Give the path of the tiny model that `write_tiny(path, arch, **options)` writes."""
    folder, paths = tmp_path_factory.mktemp("tiny"), dict[str, Path]()

    def write(arch: str = "llama", **options: Any) -> Path:
        key = repr((arch, sorted(options.items())))
        if key not in paths:
            paths[key] = write_tiny(folder / f"{len(paths)}.gguf", arch, **options)
        return paths[key]

    return write


@pytest.fixture
def probe() -> Iterator[OpenProbe]:
    with ExitStack() as stack:

        def open_probe(path: Path, **settings: Any) -> Probe:
            chosen = EngineSettings(**{"n_threads": 1, "n_gpu_layers": 0, **settings})
            return stack.enter_context(Probe(read_model(path), chosen))

        yield open_probe


@pytest.fixture
def exact(probe: OpenProbe) -> OpenProbe:
    """As `probe`, in the arithmetic closest to the definition: float32 cache, plain attention."""

    def open_probe(path: Path, **settings: Any) -> Probe:
        return probe(path, **{"kv_f32": True, "flash_attention": False, **settings})

    return open_probe

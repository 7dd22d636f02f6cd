"""A child process that loads one model file after another, as a worker does, until one kills it.

Started as ``python tests/fuzzloader.py FD``. A worker serves one request and its start takes a
second; this child serves thousands, and is started again only after a death. It knows how a model
is opened and how errors are told. It does not know where the files come from.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Final, Self

from llprobe.children import _death
from llprobe.events import Failed
from llprobe.model import ModelInfo
from llprobe.settings import EngineSettings

__all__ = ["HANG", "SETTINGS", "Loader", "limit"]

SETTINGS: Final = EngineSettings(n_threads=1, n_gpu_layers=0)
HANG: Final = 60.0
"""Seconds after which a child that has not answered counts as hanging, and is killed."""

_ADDRESS_SPACE: Final = 8 << 30


def limit() -> None:
    """Bound this process and its children: 8 GiB of address space, no core files."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Loader:
    """The parent's end of the child; a context manager. `starts` counts how often it began."""

    def __init__(self) -> None:
        self.starts = 0
        self._child: subprocess.Popen[bytes] | None = None

    def load(self, info: ModelInfo) -> tuple[str, Failed | None]:
        """Open a model and close it again in the child.

        Returns what became of it ("loaded", "refused", "hung", or the signal's name) with the
        failure as llprobe tells it.
        """
        child = self._child or self._start()
        with suppress(BrokenPipeError, ConnectionResetError, EOFError):
            self._pipe.send(info)
            if not self._pipe.poll(HANG):
                child.kill()
                self._end()
                return "hung", Failed("RunError", f"{info.name}: no answer in {HANG:.0f} s", 1)
            failed: Failed | None = self._pipe.recv()
            return "refused" if failed else "loaded", failed
        code = child.wait()
        failure = _death(code, self._noise)
        self._end()
        return failure.message.split(":")[0].split()[-1], failure

    def _start(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        # closed with the child: it outlives this call
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115
        self._pipe, theirs = Pipe()
        with theirs:
            self._child = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=self._noise,
                stderr=self._noise,
                env=os.environ | {"GGML_NO_BACKTRACE": "1"},
                process_group=0,
            )
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._pipe.close()
            self._child.wait()
            self._noise.close()
            self._child = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._end()


def _serve(fd: int) -> None:
    from llprobe.engine.probe import Probe
    from llprobe.worker import _failure

    limit()
    with Connection(fd) as pipe, suppress(EOFError):
        while True:
            info: ModelInfo = pipe.recv()
            failed = None
            try:
                with Probe(info, SETTINGS):
                    pass
            except Exception as error:  # noqa: BLE001 - a worker tells of all of them
                failed = _failure(error)
            pipe.send(failed)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))

"""What the first, second and third Ctrl-C do to a run."""

import signal
import time

import pytest

from llprobe.cli import follow
from llprobe.cli.follow import interruptible
from llprobe.runner import Cancel


def test_the_third_ends_what_waits_for_another_machine(capsys: pytest.CaptureFixture[str]) -> None:
    cancel, before = Cancel(), signal.getsignal(signal.SIGINT)
    with interruptible(cancel):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert cancel.requests == 2
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert capsys.readouterr().err.count("stopping after this batch") == 1


def test_a_run_that_does_not_stop_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is planning, and looks at no request to stop."""
    monkeypatch.setattr(follow, "_SECONDS", 0.05)
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(KeyboardInterrupt), interruptible(Cancel()):
        _never_ends()
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def _never_ends() -> None:
    signal.raise_signal(signal.SIGINT)
    while True:
        time.sleep(0.01)

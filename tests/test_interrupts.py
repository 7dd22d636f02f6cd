"""What the first, second and third Ctrl-C do to a run."""

import signal

import pytest

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

"""The torture test in short: one fault of each kind that can be had everywhere (see torture.py)."""

from pathlib import Path

import pytest
from torture import KINDS, Torture

SHORT = [kind for kind in KINDS if kind.short]


def test_a_tortured_sweep_ends_as_an_uninterrupted_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    torture = Torture(tmp_path, tmp_path / "disk", 7, small=True)
    for number, kind in enumerate(SHORT):
        torture.strike(number, kind)
    torture.finish(len(SHORT))
    assert torture.tally.wrong == []
    assert torture.tally.times.total() + torture.tally.missed.total() == len(SHORT)
    assert torture.tally.times.total() >= len(SHORT) - 3, capfd.readouterr().out

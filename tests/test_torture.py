"""The torture test in short: one fault of each kind that can be had everywhere (see torture.py)."""

from pathlib import Path

from torture import KINDS, Torture

SHORT = [kind for kind in KINDS if kind.short]


def test_tortured_sweeps_end_as_uninterrupted_ones(tmp_path: Path) -> None:
    torture = Torture(tmp_path, tmp_path / "disk", 7, small=True)
    try:
        for number, kind in enumerate(SHORT, start=1):
            torture.strike(number, kind)
        torture.finish()
    finally:
        torture.close()
    assert torture.tally.wrong == []
    assert torture.tally.times == {kind.name: 1 for kind in SHORT}

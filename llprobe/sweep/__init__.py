"""What a person wants swept: models x tasks x ways to ask x lenses x what is left out.

    YAML file (`parse`) or comma lists (`lists`) -> `SweepSpec` -> (`expand`) `plan.Sweep`

`to_yaml` is the way back to a file. This package does not know how a sweep is carried out, how far
it is, or where it is kept.
"""

from __future__ import annotations

from llprobe.sweep.example import example_sweep
from llprobe.sweep.expand import Obtain, Unmade, made_quant, models_of, requests_of, sweep_of
from llprobe.sweep.lists import Typed, spec_from_lists
from llprobe.sweep.parse import gather_sweep, parse_sweep, read_sweep
from llprobe.sweep.spec import ModelEntry, SweepSpec
from llprobe.sweep.temporary import delete_temporary, note_temporary, remembered
from llprobe.sweep.write import to_yaml

__all__ = [
    "ModelEntry",
    "Obtain",
    "SweepSpec",
    "Typed",
    "Unmade",
    "delete_temporary",
    "example_sweep",
    "gather_sweep",
    "made_quant",
    "models_of",
    "note_temporary",
    "parse_sweep",
    "read_sweep",
    "remembered",
    "requests_of",
    "spec_from_lists",
    "sweep_of",
    "to_yaml",
]

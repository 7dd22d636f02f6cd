"""The sweep that `llprobe sweep new` writes: a commented YAML file.

Knows nothing of where it is written.
"""

from __future__ import annotations

from typing import Final

from llprobe.sweep.values import sweep_name

__all__ = ["example_sweep"]

_YAML: Final = """\
# A sweep: every model below, on every task, in every way that the lists name.
#   what it will compute, and how long that takes:  llprobe sweep plan {name}.yaml
#   do it; the same command again continues:        llprobe sweep run {name}.yaml
#   where it stands:                                llprobe sweep show {name}
# Lines that begin with # are ideas: take the # away. One value may stand for a list of one.
name: {name}

# Names of `llprobe models ls`, NAME:QUANT, hf:OWNER/REPO:QUANT, paths and patterns of GGUF files.
# A path that is not absolute begins at the folder of this file.
models:
  - smollm2-135m
  # - ~/models/*.gguf
  # A ladder of quants, made of one file at the start; `keep: false` deletes them afterwards.
  # - {{model: smollm2-135m, quantize: [Q8_0, Q4_K_M, Q2_K], keep: false}}

# Names of `llprobe tasks ls`: tasks, groups and tags; or YAML files of your own.
tasks: [facts, calculation]

# The first questions of each task; without this line all of them.
limit: 20

# norm applies the final norm at every layer, paper before the last layer's logits only, raw never.
lenses: [norm, paper]

# Layers, like 1-30 or [10, 20, -1]; 0 is the embedding, -1 the last. Without this line all.
# layers: all

# Parts left out of the model while it runs: whole blocks, or a block's attention or feed-forward.
# none is the whole model; skip:each leaves out one block after the other.
# ablations: [none, skip:each, "attn:-1", skip:upper-1..4]

# Numbers of worked examples (default: the task's own), ways to answer, seeds of what is generated.
# shots: [default, 0]
# answers: [cloze, letter]
# seeds: [0, 1, 2]

# Score the options without their question too, for the metric pmi.
# pmi: true

# Settings of tasks, as of `--set`.
# set: {{per_group: 20}}

# How the engine runs, as the options of `llprobe run`. With `rpc: [HOST:PORT]` in it layers lie on
# other machines too, where `llprobe rpc serve` runs (see docs/devices.md).
# engine: {{batch: 512, threads: 4}}

# Leave out what fits all patterns of an entry: model, task, answer, seed, shots, lens, ablation.
# exclude:
#   - {{model: "*Q2_K", lens: paper}}
"""


def example_sweep(name: str) -> str:
    """Return the text of the YAML file of a sweep called `name`; UsageError for no such name."""
    return _YAML.format(name=sweep_name(name))

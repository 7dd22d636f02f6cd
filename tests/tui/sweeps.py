"""What the tests of a new sweep share: a file with every key, and names that are known."""

from llprobe.task.listing import Listed
from llprobe.tui.screens.newsweep import choices

__all__ = ["EVERYTHING", "GIB", "KNOWN"]


GIB = 1 << 30


EVERYTHING = """\
# every key that there is
name: all-of-it
models:
  - smollm2-135m
  - {model: /models/a.gguf, quantize: [q8_0, Q2_K], keep: false}
  - "/models/[ab]*.gguf"
tasks: [facts, calculation, /own/task.yaml]
lenses: [raw, norm]
layers: [1-30, -1]
limit: 7
shots: [default, 0, 4]
answers: [letter, default]
seeds: [0, 3]
ablations: [none, "skip:each", "attn:-1", skip:upper-1..4]
chat: true
pmi: true
data: /own/data file.jsonl
shots_file: /own/shots.txt
instruction: "Answer: briefly, please"
set: {per_group: 20, language: [es, fr]}
engine: {batch: 128, threads: 2, kv_f32: true}
exclude: [{model: "*Q2_K", lens: raw}, {task: facts, seed: [3]}]
"""


KNOWN = choices.Choices(
    (
        choices.ModelChoice("smollm2-135m", "Q4_1", 98_362_432, here=False, needs=GIB, fits=True),
        choices.ModelChoice("llama2-70b", "Q4_K_M", 41 * GIB, here=False, needs=GIB, fits=False),
        choices.ModelChoice("mine:Q8_0", "Q8_0", GIB, here=True, needs=2 * GIB, fits=True),
    ),
    (
        Listed("calculation", "task", "arithmetic", 1350, 8, 0.25, "generated"),
        Listed("facts", "task", "facts about the world", 200, 8, 0.1, "bundled"),
        Listed("truthfulqa", "task", "truth", None, 6, None, "--data FILE"),
        Listed("maths", "group", "calculation, mps", 1500, None, None, ""),
    ),
    8 * GIB,
)

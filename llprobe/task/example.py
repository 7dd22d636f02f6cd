"""The task that `llprobe tasks new` writes: a commented YAML file, and a data file beside it.

Knows nothing of where they are written.
"""

from __future__ import annotations

import json
from typing import Final

__all__ = ["example_data", "example_yaml"]

_YAML: Final = """\
# A task of your own. Check it:   llprobe tasks validate {name}.yaml
#                     look at it: llprobe tasks show {name}.yaml --item 1
#                     probe it:   llprobe run -m smollm2-135m -t {name}.yaml
# The keys are lm-evaluation-harness' own; an existing multiple-choice YAML without Python works.
task: {name}
output_type: multiple_choice

# What stands once before everything else. Leave it out for nothing.
description: "Answer each question about shapes.\\n\\n"

# Templates are jinja; {{{{question}}}} is the field of that name in a row of the data file.
doc_to_text: "Q: {{{{question}}}}\\nA:"

# The options: a field that holds a list, a list like [yes, no] in quotes, or jinja that gives one,
# like "{{{{[right, wrong]}}}}".
doc_to_choice: options

# The right one: a field with its number (counted from 0) or its text, or jinja that gives either.
doc_to_target: answer

# What is put between question and answer; the options begin with it.
target_delimiter: " "

# Worked examples, shown with their answers before every question. Each is a row like the data's.
num_fewshot: 2
fewshot_config:
  sampler: first_n
  samples:
    - {{question: "How many sides does a square have?", options: ["four", "five"], answer: 0}}
    - {{question: "Which shape is round?", options: ["a cube", "a circle"], answer: 1}}

metadata:
  version: 1 # change it with the questions

# The rest is llprobe's own.
llprobe:
  about: an example about shapes # one line for `llprobe tasks ls`
  data: {name}.jsonl # beside this file: .jsonl, .json, .csv, .tsv or .parquet
  id: id # the field with a row's name, to find it again
  group: kind # the field that results are grouped by
"""

_ROWS: Final = (
    ("sides-1", "count", "How many sides does a triangle have?", ("two", "three", "six"), 1),
    ("sides-2", "count", "How many sides does a hexagon have?", ("six", "nine", "four"), 0),
    ("corners-1", "count", "How many corners does a cube have?", ("four", "six", "eight"), 2),
    ("ball", "name", "Which shape does a ball have?", ("a cone", "a sphere", "a cube"), 1),
    ("dice", "name", "Which shape do dice have?", ("a cube", "a sphere", "a ring"), 0),
    ("can", "name", "Which shape does a tin can have?", ("a cone", "a cube", "a cylinder"), 2),
)


def example_yaml(name: str) -> str:
    """Return the text of the YAML file of a task `name`, whose data are in `name`.jsonl."""
    return _YAML.format(name=name)


def example_data() -> str:
    """Return the text of the data file: JSON lines."""
    keys = ("id", "kind", "question", "options", "answer")
    rows = (json.dumps(dict(zip(keys, row, strict=True))) for row in _ROWS)
    return "".join(f"{row}\n" for row in rows)

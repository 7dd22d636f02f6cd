"""Write docs/example: a sweep of the default model and two quants, its report, and every figure.

    python tests/example.py [--db FILE] [--folder docs/example] [--no-sweep]

The sweep takes two minutes on a large GPU, far longer on two cores; what is stored is not computed
again. This module knows which commands make the example.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAPER = ("paper:llama2-7b", "paper:llama2-13b", "paper:llama2-70b")


@dataclass(frozen=True)
class Picture:
    """A figure: its file, the words of its command after `llprobe plot`, what it shows."""

    file: str
    words: tuple[str, ...]
    caption: str

    @property
    def command(self) -> str:
        return f"llprobe plot {' '.join(self.words)} -o {self.file}"


OWN = (
    Picture(
        "curves.svg",
        ("curves", "example", "--lens", "norm"),
        "Accuracy by layer with 95% intervals. Facts and word problems begin late, near layer 25 "
        "of 30; the rest of the suite is beyond a model of this size.",
    ),
    Picture(
        "heat.png",
        ("heat", "example", "--lens", "norm", "--rows", "tasks"),
        "Layers by tasks.",
    ),
    Picture(
        "languages.png",
        ("heat", "example", "--lens", "paper", "--rows", "languages"),
        "Layers by language of the true answer: at the last layer none is right, because the wrong "
        "answers are in English.",
    ),
    Picture(
        "groups.png",
        ("heat", "example", "--lens", "norm", "--rows", "groups", "--task", "facts"),
        "Layers by relation.",
    ),
    Picture(
        "operations.png",
        ("radar", "example", "--lens", "norm", "--by", "operation", "--task", "calculation"),
        "Calculation by operation at the last layer: some eight questions each, too few to tell.",
    ),
    Picture(
        "tasks.png",
        ("radar", "example", "--lens", "norm", "--by", "task"),
        "The last layer by task.",
    ),
    Picture(
        "quants.png",
        ("quants", "example", "--lens", "norm"),
        "Accuracy against measured bits per weight. Q8_0 was made from Q4_1: it lies above its "
        "source and is left out.",
    ),
    Picture(
        "items.png",
        ("items", "example", "--lens", "norm", "--task", "facts"),
        "Which item is right at which layer.",
    ),
    Picture(
        "trajectory.svg",
        ("trajectory", "example", "--lens", "norm", "--task", "facts", "--item", "capital/japan"),
        "The options of one item over the layers.",
    ),
    Picture(
        "cka.png",
        ("cka", "example", "--of", "smollm2-135m", "--task", "facts"),
        "How alike layers are: debiased linear CKA of the states of the prompts' last tokens.",
    ),
)
PUBLISHED = (
    Picture("paper-curves.png", ("curves", *PAPER), "The paper's tables by layer."),
    Picture("paper-depth.png", ("curves", *PAPER, "--depth"), "The same by relative depth."),
    Picture("paper-heat.png", ("heat", *PAPER), "The paper's tables as heat maps."),
    Picture(
        "paper-languages.png",
        ("heat", *PAPER, "--rows", "languages"),
        "The paper's xMPS by language.",
    ),
    Picture("paper-tasks.png", ("radar", *PAPER, "--by", "task"), "The last layer by task."),
    Picture("paper-scale.png", ("scale", *PAPER), "Accuracy against size."),
)


def llprobe(*words: str, folder: Path) -> None:
    """Run a command in `folder`, and print it."""
    print("llprobe", *words, flush=True)
    subprocess.run([sys.executable, "-m", "llprobe", *words], cwd=folder, check=True)


def page() -> str:
    """Return the README of the example."""
    lines = [
        "# An example",
        "",
        "The default model as it is shipped (Q4_1) and two quants made from it, all tasks of the",
        "group `paper`, 50 questions each (200 in xMPS), two lenses: [sweep.yaml](sweep.yaml).",
        "`make example` computes it and writes this folder. It was computed on an H100 in two",
        "minutes; `llprobe sweep plan sweep.yaml` says how long your machine takes.",
        "",
        "```",
        "llprobe sweep run sweep.yaml",
        "llprobe report example -o report.html",
        "llprobe report example -o report.md",
        "```",
        "",
        "- [report.html](report.html): one page that needs no network; download it and open it.",
        "- [report.md](report.md): the same tables and findings as Markdown.",
        "",
        "## Figures",
    ]
    for picture in OWN:
        lines += [*_shown(picture)]
    lines += ["", "## The paper's figures, redrawn from its published tables (arXiv 2312.04333)"]
    for picture in PUBLISHED:
        lines += [*_shown(picture)]
    return "\n".join(lines) + "\n"


def _shown(picture: Picture) -> list[str]:
    name = picture.file.partition(".")[0]
    return ["", picture.caption, "", f"![{name}]({picture.file})", "", f"`{picture.command}`"]


def main() -> None:
    """Sweep, report, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--db", type=Path)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "example")
    parser.add_argument("--no-sweep", action="store_true", help="draw what is stored")
    chosen = parser.parse_args()
    if chosen.db:
        os.environ["LLPROBE_DB"] = str(chosen.db.resolve())
    if not chosen.no_sweep:
        llprobe("sweep", "run", "sweep.yaml", folder=chosen.folder)
    for name in ("report.html", "report.md"):
        llprobe("report", "example", "-o", name, folder=chosen.folder)
    for picture in (*OWN, *PUBLISHED):
        llprobe("plot", *picture.words, "-o", picture.file, folder=chosen.folder)
    (chosen.folder / "README.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()

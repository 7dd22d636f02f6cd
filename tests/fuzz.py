"""Thousands of damaged model files: each must end in one clear line, and the parent survive.

    python tests/fuzz.py --count 5000 --seed 1

Every file goes through llprobe's validation in this process; those that pass are opened in a child.
A hundred of them, and all that killed the child, also go the way of a command: `children.call`.
`--show N` says what becomes of file N and keeps it. Exits with 1 where a file did not end in one
clear line; what the children died of is counted, not judged.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fuzzloader import HANG, SETTINGS, Loader, limit
from ggufdraft import Draft, read_draft
from mutations import KINDS, mutate
from tinygguf import write_tiny

from llprobe.children import Cancel, call
from llprobe.errors import LlprobeError
from llprobe.events import Checked, CheckRequest, Failed
from llprobe.model import ModelInfo, resolve

__all__ = ["CAUGHT", "LOADED", "REFUSED", "Fuzz", "Tally", "seeds", "unclear"]

CAUGHT, LOADED, REFUSED = "refused by validation", "loaded", "refused"
_REAL: Final = 100  # how many of those that pass go the way of a command as well
_LONGEST: Final = 500  # characters of a line that a person reads
_SMALL: Final = {"n_layers": 2, "n_embd": 32, "n_ff": 64, "n_vocab": 330, "n_ctx": 256}
_SEEDS: Final[tuple[tuple[int, dict[str, Any]], ...]] = (  # alignment, options
    (32, {"arch": "llama"}),
    (32, {"arch": "llama", "quant": "Q4_1", "tokenizer": "spm"}),
    (4096, {"arch": "llama", "quant": "Q8_0", "rope_freqs": True, "rope_linear": 2.0}),
    (32, {"arch": "qwen2", "quant": "F16", "tied": True}),
    (32, {"arch": "gemma2", "tokenizer": "spm"}),
    (32, {"arch": "gpt2"}),
    (64, {"arch": "phi3", "quant": "Q4_0", "tokenizer": "spm"}),
)


def seeds(folder: Path) -> list[Draft]:
    """Write the valid files that are damaged, and take them apart."""
    paths = [folder / f"seed{number}.gguf" for number in range(len(_SEEDS))]
    return [
        read_draft(write_tiny(path, **_SMALL | options), alignment)
        for path, (alignment, options) in zip(paths, _SEEDS, strict=True)
    ]


def unclear(line: str, path: Path) -> str:
    """Say what keeps a message from being one clear line about a file; empty if nothing."""
    if not line.strip() or not line.isprintable():
        return "not one printable line"
    if len(line) > _LONGEST:
        return f"{len(line):,} characters long"
    if "Traceback" in line:
        return "a traceback"
    return "" if path.stem in line else "does not name the file"


@dataclass
class Tally:
    """What became of the files."""

    ends: dict[str, Counter[str]] = field(default_factory=lambda: {k: Counter() for k in KINDS})
    """How many of a kind ended how: `CAUGHT`, `LOADED`, `REFUSED`, a signal's name, or hung."""
    passed: list[int] = field(default_factory=list)
    """Files that the validation let pass."""
    deaths: dict[int, str] = field(default_factory=dict)
    """Files that ended the child, with what is said of it."""
    faults: list[str] = field(default_factory=list)
    """Messages that are not one clear line, each with its file's number."""

    def add(self, index: int, kind: str, end: str) -> None:
        """Count one file."""
        self.ends[kind][end] += 1
        if end != CAUGHT:
            self.passed.append(index)

    def total(self, *ends: str) -> int:
        """Return how many files ended so."""
        return sum(counts[end] for counts in self.ends.values() for end in ends)

    def table(self) -> str:
        """Return the Markdown table of kinds and ends."""
        found = {end for counts in self.ends.values() for end in counts}
        ends = (CAUGHT, LOADED, REFUSED, *sorted(found - {CAUGHT, LOADED, REFUSED}))
        head = ("kind of damage", "files", *ends[:2], "refused by the child", *ends[3:])
        rows = [head, ("---", *["---:"] * (len(ends) + 1))]
        for kind, counts in self.ends.items():
            numbers = (counts.total(), *(counts[end] for end in ends))
            rows.append((kind, *map(str, numbers)))
        rows.append(("**all**", *map(str, (self.total(*ends), *map(self.total, ends)))))
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)


@dataclass
class Fuzz:
    """One campaign: what is damaged, by which seed, where files are put, and what was found."""

    drafts: Sequence[Draft]
    seed: int
    folder: Path
    tally: Tally = field(default_factory=Tally)

    def write(self, index: int) -> tuple[str, Path]:
        """Write damaged file number `index`; return the kind of damage and the path."""
        kind, content = mutate(self.drafts, index, self.seed)
        path = self.folder / f"damaged-{index}.gguf"
        path.write_bytes(content)
        return kind, path

    def judge(self, index: int, kind: str, line: str, path: Path) -> None:
        """Note a message that is not clear."""
        if why := unclear(line, path):
            self.tally.faults.append(f"file {index} ({kind}) {why}: {line!r}")

    def check(self, index: int, loader: Loader) -> str:
        """Damage, validate, load, count; return how it ended."""
        kind, path = self.write(index)
        found = validate(path)
        if isinstance(found, str):
            end, line = CAUGHT, found
        else:
            end, failed = loader.load(found)
            line = failed.message if failed else ""
        if end in {CAUGHT, REFUSED}:
            self.judge(index, kind, line, path)
        elif end != LOADED:  # how the real worker tells of it is looked at in `check_really`
            self.tally.deaths[index] = f"{kind}: {line}"
        self.tally.add(index, kind, end)
        path.unlink()
        return end

    def check_really(self, indices: Iterable[int]) -> Counter[str]:
        """Check files as `llprobe doctor` does, in workers; return how many ended how."""
        ends: Counter[str] = Counter()
        for index in indices:
            kind, path = self.write(index)
            line = really(path)
            if line:
                self.judge(index, f"{kind}, by a worker", line, path)
            died = "the worker died" in line
            ends["died" if died else "refused in words" if line else "passed the check"] += 1
            path.unlink()
        return ends


def validate(path: Path) -> ModelInfo | str:
    """Return what the validation makes of a file: the model, or the line that refuses it."""
    try:
        return resolve(path)
    except LlprobeError as error:
        return str(error)
    except BaseException as error:
        error.add_note(f"the validation raised this on {path.name}")
        raise


def really(path: Path) -> str:
    """Check a file in a worker of its own; return the line that tells of a failure, or nothing."""
    found = validate(path)
    if isinstance(found, str):
        return found
    cancel = Cancel()

    def kill() -> None:
        cancel.request()
        cancel.request()

    timer = threading.Timer(HANG, kill)
    timer.start()
    events = list(call(CheckRequest(found, SETTINGS), cancel))
    timer.cancel()
    if cancel.requests:
        return f"{path}: hung for {HANG:.0f} s"
    match events:
        case [Checked()]:
            return ""
        case [Failed(message=message)]:
            return message
    return f"not one event but {[type(event).__name__ for event in events]}"


def _campaign(fuzz: Fuzz, count: int, n_real: int) -> None:
    """Check files 0 to `count` - 1, a sample of them in workers, and print what was found."""
    started, tally = time.monotonic(), fuzz.tally
    with Loader() as loader:
        for index in range(count):
            fuzz.check(index, loader)
            if sys.stderr.isatty() and index % 50 == 0:
                print(f"\r{index} of {count}", end="", file=sys.stderr)
    step = max(1, len(tally.passed) // n_real)
    real = fuzz.check_really(sorted({*tally.passed[::step], *tally.deaths}))
    caught = tally.total(CAUGHT)
    print(f"{tally.table()}\n")
    print(f"The validation caught {caught} of {count} files before llama.cpp saw them.")
    print(f"Of {count - caught} opened in a child, {len(tally.deaths)} ended it.")
    print(f"In a worker of their own: {', '.join(f'{n} {end}' for end, n in real.items())}.")
    print(f"Not one clear line: {len(tally.faults)}. {time.monotonic() - started:.0f} s.")
    for index, line in tally.deaths.items():
        print(f"- file {index}, {line}")
    for fault in tally.faults:
        print(f"- NOT CLEAR: {fault}")


def main() -> int:
    """Run a campaign, or show one file; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=5000, help="how many files")
    parser.add_argument("--seed", type=int, default=1, help="which ones")
    parser.add_argument("--real", type=int, default=_REAL, help="how many in workers of their own")
    parser.add_argument("--show", type=int, metavar="N", help="only file N, which is kept")
    args = parser.parse_args()
    limit()
    with tempfile.TemporaryDirectory() as name:
        fuzz = Fuzz(seeds(Path(name)), args.seed, Path(name))
        if args.show is None:
            _campaign(fuzz, args.count, args.real)
        else:
            fuzz.folder = Path()
            kind, path = fuzz.write(args.show)
            print(f"{path}: {kind}: {really(path) or 'passed the check'}")
    return 1 if fuzz.tally.faults else 0


if __name__ == "__main__":
    sys.exit(main())

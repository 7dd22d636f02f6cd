"""What a sweep stands for: its requests, its models one by one, and its cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sweeptexts import names_of, parse, with_keys
from tinygguf import write_tiny

from llprobe.errors import LlprobeError, ModelFileError, UnknownName, UsageError
from llprobe.model import ModelInfo, quant_path, read_model
from llprobe.plan import make_plan
from llprobe.sweep import (
    ModelEntry,
    SweepSpec,
    Unmade,
    made_quant,
    models_of,
    requests_of,
    sweep_of,
)
from llprobe.task import TaskRequest


def test_requests_are_the_product_in_order() -> None:
    text = with_keys(tasks="[facts, calculation]", answers="[default, letter]", seeds="[0, 1]")
    spec = parse(text + "shots: [default, 2]\nlimit: 3\nchat: true\nset: {per_group: 4}\n")
    requests = requests_of(spec)
    assert [(r.name, r.answer, r.num_fewshot, r.seed) for r in requests] == [
        (name, answer, shots, seed)
        for name in ("facts", "calculation")
        for answer in ("", "letter")
        for shots in (None, 2)
        for seed in (0, 1)
    ]
    # A setting goes to the task that has it.
    assert requests[0] == TaskRequest("facts", limit=3, chat=True)
    assert requests[-1].settings == (("per_group", "4"),)


def test_groups_are_spread_out_and_unknown_names_refused() -> None:
    names = [request.name for request in requests_of(parse(with_keys(tasks="[paper, facts]")))]
    assert len(names) == len(set(names)) > 6
    with pytest.raises(UnknownName, match="did you mean facts"):
        requests_of(parse(with_keys(tasks="[fakts]")))
    with pytest.raises(UnknownName, match="no setting of these tasks named 'per_grup'"):
        requests_of(parse(with_keys(set="{per_grup: 4}")))


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two models, and what lies beside models; an empty cache."""
    monkeypatch.setenv("LLPROBE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "models"
    folder.mkdir()
    write_tiny(folder / "two.gguf", n_layers=2)
    write_tiny(folder / "three.gguf")
    for name in ("mmproj-two.gguf", ".hidden.gguf", "README.md"):
        (folder / name).write_bytes(b"no model")
    return folder


def at(folder: Path, *entries: ModelEntry | str) -> SweepSpec:
    made = (ModelEntry(each) if isinstance(each, str) else each for each in entries)
    rooted = tuple(replace(entry, name=str(folder / entry.name)) for entry in made)
    return SweepSpec("", rooted, ("facts",))


def test_a_pattern_stands_for_its_models_sorted_each_once(models: Path) -> None:
    (models / "copy.gguf").write_bytes((models / "two.gguf").read_bytes())
    spec = at(models, "three.gguf", "*", "**/*.gguf")
    assert names_of(models_of(spec, made_quant)) == ["three", "copy"]


def test_a_file_whose_name_looks_like_a_pattern_is_found(models: Path) -> None:
    (models / "two.gguf").rename(models / "two[1].gguf")
    assert names_of(models_of(at(models, "two[1].gguf"), made_quant)) == ["two[1]"]


def test_a_pattern_that_matches_nothing_is_an_error(models: Path) -> None:
    with pytest.raises(UsageError, match=r"no GGUF file matches .*/four\*\.gguf"):
        list(models_of(at(models, "four*.gguf"), made_quant))


def test_a_split_model_is_found_once(models: Path) -> None:
    for number in (1, 2):
        (models / f"big-0000{number}-of-00002.gguf").write_bytes(b"")
    told: list[str] = []
    found = models_of(at(models, "big*"), made_quant, lambda name, _: told.append(Path(name).name))
    assert names_of(found) == []
    assert told == ["big-00001-of-00002.gguf"]


def test_one_bad_model_can_be_passed_over(models: Path) -> None:
    (models / "bad.gguf").write_bytes(b"GGUF and no more")
    told: dict[str, LlprobeError] = {}
    found = models_of(at(models, "*.gguf"), made_quant, told.__setitem__)
    assert names_of(found) == ["three", "two"]
    assert list(told) == [str(models / "bad.gguf")]
    with pytest.raises(ModelFileError):
        list(models_of(at(models, "*.gguf"), made_quant))


def test_a_ladder_is_its_source_then_what_is_made_and_what_is_not(models: Path) -> None:
    source = read_model(models / "two.gguf")
    made = quant_path(source, "Q8_0")
    made.parent.mkdir(parents=True)
    write_tiny(made, seed=2)
    ladder = ModelEntry("two.gguf", (source.quant, "Q8_0", "Q2_K"), keep=False)
    asked: list[str] = []

    def obtain(source: ModelInfo, quant: str) -> ModelInfo | None:
        asked.append(quant)
        return made_quant(source, quant)

    found = models_of(at(models, ladder, "two.gguf", ladder), obtain)
    assert next(found) == source
    assert asked == []
    second, third = found
    assert isinstance(second, ModelInfo)
    assert (second.name, second.origin) == (f"{made.parent.name}:Q8_0", "quantized")
    assert third == Unmade(source, "Q2_K", keep=False)
    assert third.path == quant_path(source, "Q2_K")
    assert third.name == f"{made.parent.name}:Q2_K"


def test_a_model_in_a_type_is_its_own_quant_of_that_type(models: Path) -> None:
    source = read_model(models / "two.gguf")
    assert made_quant(source, source.quant.lower()) == source
    assert made_quant(source, "Q8_0") is None


def test_a_sweep_is_laid_out_without_what_is_excluded(models: Path) -> None:
    text = f"""\
models: {models}/t*.gguf
tasks: [facts, calculation]
lenses: [norm, paper]
ablations: [none, skip:1]
limit: 1
seeds: [0, 1]
exclude:
  - {{model: two, ablation: "skip:*"}}
  - {{task: facts, lens: paper}}
"""
    spec = parse(text)
    found = [model for model in models_of(spec, made_quant) if isinstance(model, ModelInfo)]
    cells = make_plan(sweep_of(spec, found)).cells
    laid = [(c.model.name, c.ablation, c.questions.task, c.lens) for c in cells]
    views = [*[("facts", "norm")] * 2, *[("calculation", lens) for lens in ("norm", "paper")] * 2]
    assert laid == [
        (model, ablation, *view)
        for model, ablation in (("three", "none"), ("three", "skip:1"), ("two", "none"))
        for view in views
    ]

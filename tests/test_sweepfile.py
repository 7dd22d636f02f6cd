"""Sweeps as a person writes them into files: every key, the mistakes, and the example."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sweeptexts import FULL, names_of, parse, with_keys

from llprobe.errors import TaskError, UsageError
from llprobe.plan import Exclusion
from llprobe.settings import EngineSettings
from llprobe.sweep import (
    ModelEntry,
    SweepSpec,
    example_sweep,
    gather_sweep,
    read_sweep,
    requests_of,
)

# -- reading -----------------------------------------------------------------------------------


def test_every_key_is_read() -> None:
    assert parse(FULL) == SweepSpec(
        name="first.sweep-1",
        models=(
            ModelEntry("smollm2-135m"),
            ModelEntry("hf:some/repo:Q8_0"),
            ModelEntry("/sweeps/mine/../models/*.gguf"),
            ModelEntry("/sweeps/mine/own.gguf", ("Q8_0", "Q4_K_M"), keep=False),
        ),
        tasks=("paper", "/sweeps/mine/own/task.yaml", "facts"),
        lenses=("norm", "raw"),
        layers="0,10-20,-1",
        limit=20,
        shots=(None, 0, 4),
        answers=("", "letter"),
        seeds=(0, 7),
        ablations=("none", "skip:3-5", "attn:-1+ffn:2"),
        chat=True,
        pmi=True,
        data="/sweeps/mine/data/q.jsonl",
        shots_file="/elsewhere/shots.txt",
        instruction="Answer: yes or no.\n",
        settings=(("per_group", "20"), ("language", "es,fr"), ("all", "yes"), ("plain", "007")),
        engine=EngineSettings(n_batch=64, n_threads=2, force=True).reference(),
        exclude=(
            Exclusion((("model", "*Q2_K*"), ("seed", "1"))),
            Exclusion((("model", "*Q2_K*"), ("seed", "2"))),
            Exclusion((("shots", "default"), ("ablation", "skip:*"))),
        ),
    )


def test_one_value_stands_for_a_list_of_one_and_null_for_the_default() -> None:
    text = with_keys(lenses="raw", shots="3", answers="letter", seeds="5", ablations="skip:1")
    spec = parse(text + "exclude: {task: facts}\nlayers: 7\nlimit: null\nset:\nengine:\nchat:\n")
    assert spec == SweepSpec(
        name="",
        models=(ModelEntry("smollm2-135m"),),
        tasks=("facts",),
        lenses=("raw",),
        layers="7",
        shots=(3,),
        answers=("letter",),
        seeds=(5,),
        ablations=("skip:1",),
        exclude=(Exclusion((("task", "facts"),)),),
    )
    one = parse(with_keys(models="{model: smollm2-135m, quantize: Q8_0}"))
    assert one.models == (ModelEntry("smollm2-135m", ("Q8_0",)),)
    assert parse(with_keys()) == SweepSpec("", one.models[:0] or spec.models, ("facts",))


def test_paths_are_absolute_and_home_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/her")
    text = with_keys(models='["~/m/*.gguf", m.gguf:Q8_0, ./m, smol:Q2_K, /a/b.gguf]', data="~/d")
    spec = parse(text)
    names = ["/home/her/m/*.gguf", "/sweeps/mine/m.gguf:Q8_0", "/sweeps/mine/m", "smol:Q2_K"]
    assert [entry.name for entry in spec.models] == [*names, "/a/b.gguf"]
    assert spec.data == "/home/her/d"


def test_a_path_in_a_relative_file_begins_at_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "s.yaml").write_text(with_keys(name="s", data="d.tsv"))
    assert read_sweep("sub/s.yaml").data == str(tmp_path / "sub" / "d.tsv")


def test_a_file_needs_a_name(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(with_keys())
    with pytest.raises(TaskError, match=r"s\.yaml, line 1, name: the key is missing"):
        read_sweep(path)
    with pytest.raises(TaskError, match="cannot be read"):
        read_sweep(tmp_path / "none.yaml")


# -- mistakes ----------------------------------------------------------------------------------

WRONG = {
    "name": ("7", "must be a text, not 7"),
    "models": ("[[a]]", "must be a text"),
    "tasks": ("[1]", "must be a text, not 1; put it in quotes"),
    "lenses": ("nrom", "no lens named 'nrom'; did you mean norm"),
    "layers": ("1..3", "must be like 1-30"),
    "limit": ("0", "must be a whole number, 1 or more, not 0"),
    "shots": ("-1", "must be a whole number, 0 or more, or default, not -1"),
    "answers": ("leter", "did you mean letter"),
    "seeds": ("1.5", "must be a whole number, not 1.5"),
    "ablations": ("[skip: 7]", "like skip:7, without a space"),
    "chat": ("1", "must be true or false, not 1"),
    "pmi": ("maybe", "must be true or false, not 'maybe'"),
    "data": ("[a]", "must be a text"),
    "shots_file": ("''", "is empty"),
    "instruction": ("5", "must be a text, not 5"),
    "set": ("[a]", "must be keys with values"),
    "engine": ("fast", "must be keys with values, not 'fast'"),
    "exclude": ("smollm2", "must be keys with values, not 'smollm2'"),
}


@pytest.mark.parametrize("key", WRONG)
def test_a_wrong_value_names_file_line_and_key(key: str) -> None:
    value, said = WRONG[key]
    text = "# a comment\n" + with_keys(**{key: value})
    line = 1 + next(n for n, row in enumerate(text.splitlines()) if row.startswith(key))
    with pytest.raises(TaskError, match=rf"^/s/s\.yaml, line {line}, {key}: .*{re.escape(said)}"):
        parse(text, "/s")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nmae: x\n", "line 3, nmae: unknown key; did you mean name"),
        ("name: -x\n", "line 3, name: '-x' is no name"),
        ("name: .x\n", "line 3, name: '.x' is no name"),
        ("name: a/b\n", "line 3, name: 'a/b' is no name"),
        (f"name: {'x' * 65}\n", "is no name"),
        ("lenses:\n  - norm\n  - rwa\n", "line 5, lenses: no lens named 'rwa'"),
        ("lenses: []\n", "line 3, lenses: the list is empty"),
        ("seeds: [1, 2, 1]\n", "line 3, seeds: 1 is given twice"),
        ("shots: [default, null]\n", "line 3, shots: default is given twice"),
        ("seeds: [yes]\n", "line 3, seeds: must be a whole number, not True"),
        ("chat: true\nchat: false\n", "line 4, chat: the key stands twice"),
        ("seeds: [0, 1]\nseeds: two\n", "line 4, seeds: the key stands twice"),
        ("ablations: [jump:3]\n", "line 3, ablations: ablation 'jump:3'"),
        ("layers: [1, true]\n", "line 3, layers: must be like"),
        ("data: ~nobody-is-called-so/x\n", "line 3, data: ~nobody-is-called-so/x: there is no"),
        ("set:\n  a: 1\n  b: {c: 1}\n", "line 5, set.b: must be a text, a number or a list"),
        ("set: {a: ['x,y']}\n", "line 3, set.a: 'x,y' in a list may hold no comma"),
        ("engine:\n  batch: 1\n", "line 4, engine.batch: a batch holds at least 2 tokens"),
        ("engine:\n  bacth: 9\n", "line 4, engine.bacth: unknown key; did you mean batch"),
        ("engine: {threads: two}\n", "engine.threads: must be a whole number, not 'two'"),
        ("engine: {reference: 1}\n", "engine.reference: must be true or false"),
        ("exclude:\n- task: a\n- {sed: 1}\n", "line 5, exclude.sed: unknown key; did you mean s"),
        ("exclude:\n- task: a\n  seed: 1.5\n", "line 5, exclude.seed: must be a text or a whole"),
        ("exclude:\n- {task: a, task: b}\n", "line 4, exclude.task: the key stands twice"),
        ("exclude: [{}]\n", "line 3, exclude: must say which cells"),
        ("exclude: [{task: []}]\n", "line 3, exclude.task: the list is empty"),
        ("pmi: !!python/name:os.system\n", "line 3, pmi: "),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(TaskError, match=re.escape(said)):
        parse(with_keys() + text)


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ("\n  - a\n  - a", "line 1, models: a is given twice"),
        ("\n  - a\n  - ''", "line 3, models: is empty"),
        ("\n  - {modle: a}", "line 2, models.modle: unknown key; did you mean model"),
        ("\n  - quantize: Q8_0", "line 2, models.model: the key is missing"),
        ("\n  - model: a\n    quantize: [Q8_0, Q4_KM]", "line 3, models.quantize: no quant type"),
        ("\n  - model: a\n    quantize: [Q8_0, q8_0]", "models.quantize: Q8_0 is given twice"),
        ("\n  - model: a\n    keep: false", "line 3, models.keep: keep: false deletes"),
        ("\n  - {model: a, quantize: Q8_0, keep: 1}", "models.keep: must be true or false"),
        ("[hf:nonsense]", "line 1, models: 'hf:nonsense' is not a hub reference"),
        ("[]", "line 1, models: the list is empty"),
        ("null", "line 1, models: the key is missing"),
    ],
)
def test_mistakes_in_models(models: str, said: str) -> None:
    with pytest.raises(TaskError, match=re.escape(said)):
        parse(with_keys(models=models))


@pytest.mark.parametrize("text", ["", "- a\n", "just text", "a: [", "a: b: c", "? [a]\n: b\n"])
def test_what_is_no_sweep_at_all_is_one_error(text: str) -> None:
    with pytest.raises(TaskError, match=r"^/sweeps/mine/s\.yaml"):
        parse(text)


def test_all_mistakes_are_gathered_and_the_rest_is_read() -> None:
    text = (
        "name: a b\ntasks: facts\nlenses: [norm, nope, 5]\nlimit: x\nengine: {batch: 1, ctx: 0}\n"
    )
    found: list[TaskError] = []
    spec = gather_sweep(text + "colour: red\nseeds: [1, a]\nset: {a: !b 1}\n", "s.yaml", found)
    places = sorted(str(problem).split(": ")[0] for problem in found)
    assert places == [
        "s.yaml, line 1, models",
        "s.yaml, line 1, name",
        "s.yaml, line 3, lenses",
        "s.yaml, line 3, lenses",
        "s.yaml, line 4, limit",
        "s.yaml, line 5, engine.batch",
        "s.yaml, line 5, engine.ctx",
        "s.yaml, line 6, colour",
        "s.yaml, line 7, seeds",
        "s.yaml, line 8, set.a",
    ]
    assert spec == SweepSpec("", (), ("facts",), seeds=(1,))


# -- the example -------------------------------------------------------------------------------


def test_the_example_is_a_sweep(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(example_sweep("mine"))
    spec = read_sweep(path)
    assert spec.name == "mine"
    assert spec.models == (ModelEntry("smollm2-135m"),)
    assert names_of(requests_of(spec)) == ["facts", "calculation"]


def test_every_idea_in_the_example_is_right_once_its_mark_is_taken_away() -> None:
    head, body = example_sweep("mine").split("\nname:")
    idea = re.compile(r"^( *)# (- |[a-z_]+:(?= |$)|  - )", re.MULTILINE)
    text = "name:" + idea.sub(r"\1\2", body)
    spec = parse(text)
    assert head.count("\n") == 4
    assert [entry.quantize for entry in spec.models] == [(), (), ("Q8_0", "Q4_K_M", "Q2_K")]
    assert spec.ablations == ("none", "skip:each", "attn:-1", "skip:upper-1..4")
    assert (spec.shots, spec.answers, spec.seeds) == ((None, 0), ("cloze", "letter"), (0, 1, 2))
    assert spec.pmi
    assert spec.settings == (("per_group", "20"),)
    assert spec.engine == EngineSettings(n_threads=4)
    assert spec.exclude == (Exclusion((("model", "*Q2_K"), ("lens", "paper"))),)


def test_the_example_needs_a_name_that_is_one() -> None:
    with pytest.raises(UsageError, match="is no name"):
        example_sweep("a b")

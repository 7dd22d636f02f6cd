"""Sweeps as a person writes them: files, comma lists, what they stand for, and the way back."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinygguf import write_tiny

from llprobe.errors import LlprobeError, ModelFileError, TaskError, UnknownName, UsageError
from llprobe.model import ModelInfo, quant_path, read_model
from llprobe.plan import FEATURES, Exclusion, make_plan
from llprobe.settings import LENSES, EngineSettings
from llprobe.sweep import (
    ModelEntry,
    SweepSpec,
    Unmade,
    example_sweep,
    gather_sweep,
    made_quant,
    models_of,
    parse_sweep,
    read_sweep,
    requests_of,
    spec_from_lists,
    sweep_of,
    to_yaml,
)
from llprobe.task import ANSWERS, TaskRequest

FULL = """\
name: first.sweep-1
models:
  - smollm2-135m
  - hf:some/repo:Q8_0
  - ../models/*.gguf
  - {model: own.gguf, quantize: [q8_0, Q4_K_M], keep: false}
tasks: [paper, own/task.yaml, facts]
lenses: [norm, raw]
layers: [0, 10-20, -1]
limit: 20
shots: [default, 0, 4]
answers: [default, letter]
seeds: [0, 7]
ablations: [none, Skip:3-5, attn:-1 + ffn:2]
chat: true
pmi: true
data: data/q.jsonl
shots_file: /elsewhere/shots.txt
instruction: "Answer: yes or no.\\n"
set: {per_group: 20, language: [es, fr], all: yes, plain: "007"}
engine: {batch: 64, threads: 2, reference: true, force: true}
exclude:
  - {model: "*Q2_K*", seed: [1, 2]}
  - shots: default
    ablation: skip:*
"""


def parse(text: str, folder: str = "/sweeps/mine") -> SweepSpec:
    return parse_sweep(text, f"{folder}/s.yaml")


def with_keys(**keys: str) -> str:
    """A sweep of one model and one task, and these keys."""
    lines = {"models": "smollm2-135m", "tasks": "facts"} | keys
    return "".join(f"{key}: {value}\n" for key, value in lines.items() if value is not None)


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


# -- the way back ------------------------------------------------------------------------------


def unique(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(values, min_size=1, max_size=4, unique=True).map(tuple)


TEXT = st.text(max_size=30) | st.text("a \x85\u2028\ufeff\r\n\t:#'\"", max_size=9)
PATH = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).map(
    lambda name: str(Path("/some") / name)
)
WORD = st.from_regex(r"[a-z0-9_.:-]{1,20}", fullmatch=True).filter(lambda w: not w.startswith("."))
MODEL = st.one_of(
    st.builds("{}-m".format, st.from_regex(r"[a-z0-9]{1,9}", fullmatch=True)),
    st.builds("{}.gguf".format, PATH),
    st.sampled_from(["hf:a/b:Q8_0", "yes:Q8_0", "/models/**/*[ab]?.gguf", "on", "1e3", "null"]),
)
ENTRY = st.one_of(
    st.builds(ModelEntry, MODEL),
    st.builds(ModelEntry, MODEL, unique(st.sampled_from(["Q8_0", "F32", "Q2_K"])), st.booleans()),
)
ENGINE = st.builds(
    EngineSettings,
    n_batch=st.integers(2, 4096),
    n_ubatch=st.integers(1, 4096),
    n_ctx=st.none() | st.integers(8, 10**6),
    n_threads=st.none() | st.integers(1, 99),
    n_gpu_layers=st.integers(-1, 99),
    kv_f32=st.booleans(),
    flash_attention=st.booleans(),
    share=st.booleans(),
    skip_shared=st.booleans(),
    buffer_mb=st.integers(1, 999),
    force=st.booleans(),
)
NUMBERS = st.integers(-(10**20), 10**20).map(str) | st.sampled_from(["007", "1_0", "-0", "+1"])
VALUE = (
    TEXT | NUMBERS | st.sampled_from(["yes", "null", "~", "1e3", "12:30", "=", "<<", "2020-01-01"])
)
SPEC = st.builds(
    SweepSpec,
    name=st.from_regex(r"([A-Za-z0-9_][A-Za-z0-9_.-]{0,63})?", fullmatch=True),
    models=unique(ENTRY),
    tasks=unique(WORD | TEXT.filter(str.strip) | st.builds("{}.yaml".format, PATH)).filter(
        lambda tasks: all(
            t.startswith("/") or not t.lower().endswith((".yaml", ".yml")) for t in tasks
        )
    ),
    lenses=unique(st.sampled_from(LENSES)),
    layers=st.none() | st.sampled_from(["7", "1-30", "0,10,-1", "-5--1"]),
    limit=st.none() | st.integers(1),
    shots=unique(st.none() | st.integers(0)),
    answers=unique(st.sampled_from(("", *ANSWERS))),
    seeds=unique(st.integers()),
    ablations=unique(st.sampled_from(["none", "skip:3-5", "attn:-1+ffn:2", "skip:upper-1..4"])),
    chat=st.booleans(),
    pmi=st.booleans(),
    data=st.none() | PATH,
    shots_file=st.none() | PATH,
    instruction=st.none() | TEXT,
    settings=st.dictionaries(TEXT.filter(str.strip), VALUE, max_size=3).map(
        lambda d: tuple(d.items())
    ),
    engine=ENGINE | ENGINE.map(EngineSettings.reference),
    exclude=st.lists(
        st.dictionaries(st.sampled_from(FEATURES), VALUE, min_size=1).map(
            lambda patterns: Exclusion(tuple(patterns.items()))
        ),
        max_size=3,
    ).map(tuple),
)


@given(SPEC)
@settings(max_examples=50, deadline=None)
def test_a_written_sweep_is_read_back_wherever_it_lies(spec: SweepSpec) -> None:
    text = to_yaml(spec)
    assert parse(text, "/one") == parse(text, "/another/folder") == spec
    assert to_yaml(parse(text)) == text


def test_defaults_are_left_out_and_numbers_have_no_quotes() -> None:
    spec = SweepSpec("a", (ModelEntry("smollm2-135m"),), ("facts",), settings=(("per_group", "5"),))
    assert to_yaml(spec) == (
        "name: a\nmodels:\n- smollm2-135m\ntasks:\n- facts\nset: {per_group: 5}\n"
    )
    assert parse(to_yaml(parse(FULL)), "/") == parse(FULL)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"data": "relative.tsv"}, "cannot say this sweep's data"),
        ({"exclude": (Exclusion((("task", "a"), ("task", "b"))),)}, "this sweep's exclude"),
        ({"models": ()}, "models: the key is missing; name at least one"),
        ({"limit": 0}, "limit: must be a whole number, 1 or more"),
        ({"lenses": ("norm", "norm")}, "lenses: norm is given twice"),
        ({"name": "a b"}, "name: 'a b' is no name"),
    ],
)
def test_what_would_not_be_read_back_is_not_written(changed: Any, said: str) -> None:
    with pytest.raises(LlprobeError, match=re.escape(said)):
        to_yaml(replace(parse(with_keys()), **changed))


# -- comma lists -------------------------------------------------------------------------------


def test_comma_lists_give_the_same_sweep_as_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    typed = spec_from_lists(
        name="n",
        models="smollm2-135m, m/*.gguf",
        tasks="facts,own.yaml",
        quantize="q8_0,Q2_K",
        keep=False,
        lenses="norm,raw",
        layers="1-3,-1",
        limit=5,
        shots="default,0",
        answers="letter,default",
        seeds="0,3",
        ablations="none,skip:1+ffn:2",
        chat=True,
        data=Path("d.tsv"),
        settings=(("per_group", "5"),),
        exclude=["model=*Q2_K*,seed=1,seed=2", "task=facts"],
    )
    ladder = "quantize: [Q8_0, Q2_K], keep: false"
    assert typed == parse(
        f"""\
name: n
models: [{{model: smollm2-135m, {ladder}}}, {{model: m/*.gguf, {ladder}}}]
tasks: [facts, own.yaml]
lenses: [norm, raw]
layers: 1-3,-1
limit: 5
shots: [default, 0]
answers: [letter, default]
seeds: [0, 3]
ablations: [none, "skip:1+ffn:2"]
chat: true
data: d.tsv
set: {{per_group: 5}}
exclude: [{{model: "*Q2_K*", seed: [1, 2]}}, {{task: facts}}]
""",
        str(tmp_path),
    )
    assert to_yaml(typed)


def test_what_is_not_typed_has_its_default() -> None:
    plain = SweepSpec("", (ModelEntry("smollm2-135m"),), ("facts",))
    assert spec_from_lists(models="smollm2-135m", tasks="facts") == plain
    nothing: dict[str, Any] = {"name": None, "lenses": None, "limit": None, "exclude": None}
    assert spec_from_lists(models="smollm2-135m", tasks="facts", **nothing) == plain
    assert spec_from_lists(models="a", tasks="b", shots=0, seeds=4).shots == (0,)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"models": ""}, "models: none is named"),
        ({"tasks": "a,b,a"}, "tasks: a is given twice"),
        ({"name": "a b"}, "name: 'a b' is no name"),
        ({"lenses": "norm,nope"}, "lenses: no lens named 'nope'"),
        ({"shots": "four"}, "shots: must be a whole number, 0 or more, or default, not 'four'"),
        ({"seeds": "1,x"}, "seeds: must be a whole number, not 'x'"),
        ({"limit": 0}, "limit: must be a whole number, 1 or more"),
        ({"layers": "x"}, "layers: must be like"),
        ({"quantize": "Q9"}, "quantize: no quant type named 'Q9'"),
        ({"exclude": ["tsk=a"]}, "exclude: 'tsk=a' is no FEATURE=PATTERN"),
        ({"exclude": [" "]}, "exclude: none is named"),
        ({"keep": False}, "there are none"),
    ],
)
def test_mistakes_in_comma_lists(typed: Any, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        spec_from_lists(**{"models": "a", "tasks": "b", **typed})


# -- what it stands for ------------------------------------------------------------------------


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


def names_of(models: Any) -> list[str]:
    return [model.name for model in models]


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

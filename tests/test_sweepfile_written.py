"""Sweeps written to files by the program, and typed as comma lists: the way back is exact."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweeptexts import FULL, parse, with_keys

from llprobe.errors import LlprobeError, UsageError
from llprobe.plan import FEATURES, Exclusion
from llprobe.settings import LENSES, EngineSettings
from llprobe.sweep import ModelEntry, SweepSpec, spec_from_lists, to_yaml
from llprobe.task import ANSWERS

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

"""A sweep while it is written: a file, its values, and what stands in fields say the same."""

import pytest
import yaml
from sweeps import EVERYTHING

from llprobe.sweep import SweepSpec, example_sweep, parse_sweep, to_yaml
from llprobe.tui.screens.newsweep import draft


def again(text: str) -> SweepSpec:
    """Give a text's sweep after every key went through its field."""
    values = draft.checked(text).draft
    fields = {key: draft.typed_of(key, value) for key, value in values.items()}
    back = {
        key: values[key] if isinstance(values[key], bool) else draft.value_of(key, typed)
        for key, typed in fields.items()
    }
    found = draft.checked(draft.text_of(back))
    assert found.mistakes == ()
    assert found.spec is not None
    return found.spec


@pytest.mark.parametrize("text", [EVERYTHING, example_sweep("first")])
def test_what_a_file_says_the_fields_say(text: str) -> None:
    assert again(text) == parse_sweep(text, draft.ORIGIN)


@pytest.mark.parametrize("key", sorted(yaml.safe_load(EVERYTHING)))
def test_each_key_goes_through_its_field(key: str) -> None:
    values = {"name": "a", "models": ["smollm2-135m"], "tasks": ["facts"]}
    values[key] = yaml.safe_load(EVERYTHING)[key]
    text = yaml.safe_dump(values)
    assert again(text) == parse_sweep(text, draft.ORIGIN)


def test_a_draft_is_written_as_the_tidy_file() -> None:
    spec = parse_sweep(EVERYTHING, draft.ORIGIN)
    assert draft.text_of(draft.draft_of(spec)) == to_yaml(spec)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("lenses", "norm, tuned", "lenses: no lens named 'tuned'"),
        ("limit", "many", "limit: must be a whole number"),
        ("layers", "1..3", "layers: must be like 1-30"),
        ("answers", "[a, {", "answers: no answer format named '[a, {'"),
        ("engine", "batch: 1", "engine.batch: a batch holds at least 2 tokens"),
        ("exclude", "{colour: red}", "exclude.colour: "),
        ("name", "last", "name: last is the newest run's name"),
        ("ablations", "skip:0", "ablations: ablation skip:0"),
    ],
)
def test_a_mistake_in_a_field_is_a_mistake_in_the_file(key: str, value: str, said: str) -> None:
    values = draft.first_draft() | {key: draft.value_of(key, value)}
    found = draft.checked(draft.text_of(values))
    assert found.spec is None
    assert any(said in mistake for mistake in found.mistakes), found.mistakes
    assert all(mistake.startswith("line ") for mistake in found.mistakes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a sweep is a list of `key: value` lines"),
        ("- a\n- b\n", "a sweep is a list of `key: value` lines"),
        ("name: [a", "line "),
        ("models: [a]\ntasks: [b]\n", "name: the key is missing"),
        ("name: a\ntasks: [b]\n", "models: the key is missing"),
    ],
)
def test_what_is_no_sweep_is_said(text: str, said: str) -> None:
    found = draft.checked(text)
    assert found.spec is None
    assert said in found.mistakes[0]


def test_the_first_sweep_takes_a_name_that_is_free() -> None:
    assert draft.first_draft()["name"] == "first"
    assert draft.first_draft(["first", "first-2", "other"])["name"] == "first-3"
    assert draft.checked(draft.text_of(draft.first_draft())).mistakes == ()


def test_models_come_and_go_and_share_their_quants() -> None:
    one = draft.toggled({}, "models", "a")
    assert one == {"models": ["a"]}
    made = draft.edited(one, "quantize", ["Q8_0", "Q2_K"])
    assert made == {"models": [{"model": "a", "quantize": ["Q8_0", "Q2_K"]}]}
    two = draft.toggled(draft.edited(made, "keep", value=False), "models", "b")
    assert [each["keep"] for each in two["models"]] == [False, False]
    assert draft.ladder(two) == ("Q8_0, Q2_K", False)
    assert draft.names_of(draft.toggled(two, "models", "a"), "models") == ["b"]
    assert draft.edited(two, "quantize", None) == {"models": ["a", "b"]}
    assert draft.ladder({"models": ["a", {"model": "b", "quantize": "Q8_0"}]}) == ("", True)


@pytest.mark.parametrize(
    "text", ["", "two\nlines", " spaces around ", '"quoted" words', "plain: words, [all]"]
)
def test_any_instruction_can_be_typed(text: str) -> None:
    typed = draft.typed_of("instruction", text)
    assert "\n" not in typed
    assert draft.value_of("instruction", typed) == text
    values = draft.edited(draft.first_draft(), "instruction", text)
    found = draft.checked(draft.text_of(values))
    assert found.spec is not None
    assert found.spec.instruction == text


def test_no_instruction_is_not_an_empty_one() -> None:
    values = draft.edited(draft.first_draft(), "instruction", draft.value_of("instruction", ""))
    assert "instruction" not in values
    assert draft.typed_of("instruction", "") == '""'


def test_models_keep_the_quants_that_are_theirs() -> None:
    own = {
        "models": [
            {"model": "a", "quantize": ["Q8_0"]}, "b",
            {"model": "c", "quantize": "Q2_K", "keep": False},
        ]
    }  # fmt: skip
    assert draft.differ(own)
    assert draft.ladder(own) == ("", False)
    kept = draft.edited(own, "keep", value=True)
    assert kept["models"] == [
        {"model": "a", "quantize": ["Q8_0"]}, "b", {"model": "c", "quantize": ["Q2_K"]},
    ]  # fmt: skip
    dropped = draft.edited(kept, "keep", value=False)
    assert [each["keep"] for each in dropped["models"] if each != "b"] == [False, False]
    assert not draft.differ({"models": ["a", "b"]})
    typed = draft.typed_of("models", own["models"])
    assert draft.value_of("models", typed) == own["models"]

"""Ablations as they are written: one canonical text, series, and what is refused."""

from typing import Any

import pytest
from ablationhelp import PARTS
from hypothesis import given
from hypothesis import strategies as st

from llprobe.ablation import Ablation, Part, parse_ablation
from llprobe.errors import UsageError


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("none", "none"),
        (" None ", "none"),
        ("skip:7", "skip:7"),
        ("skip:-1", "skip:9"),
        ("skip:3-5", "skip:3-5"),
        ("skip:-3--1", "skip:7-9"),
        ("skip:8--1", "skip:8-9"),
        ("skip:upper-4", "skip:6-9"),
        ("skip:lower-4", "skip:1-4"),
        ("skip:upper-9", "skip:1-9"),
        ("attn:7", "attn:7"),
        ("ffn : lower-2", "ffn:1-2"),
        ("ffn:9+skip:3", "skip:3+ffn:9"),
        ("skip:3 + skip:4+skip:5", "skip:3-5"),
        ("skip:3+skip:5", "skip:3+skip:5"),
        ("attn:3-4+ffn:4-5", "attn:3+skip:4+ffn:5"),
        ("skip:4+attn:4+ffn:4", "skip:4"),
        ("attn:2+attn:2", "attn:2"),
        ("SKIP:2", "skip:2"),
    ],
)
def test_the_same_ablation_has_one_text_however_it_is_written(text: str, canonical: str) -> None:
    spec = parse_ablation(text)
    ablation = spec.resolve(9)
    assert ablation.text == str(ablation) == canonical
    assert spec.expand(9) == (ablation,)
    again = parse_ablation(ablation.text).resolve(9)
    assert (again, hash(again)) == (ablation, hash(ablation))
    assert parse_ablation(spec.text) == spec
    assert bool(ablation) is (canonical != "none")


@given(st.dictionaries(st.integers(1, 40), st.sampled_from(PARTS)), st.randoms())
def test_any_ablation_parses_back_from_its_text(parts: dict[int, Part], random: Any) -> None:
    shuffled = list(parts.items())
    random.shuffle(shuffled)
    ablation = Ablation.of(shuffled)
    assert dict(ablation.parts) == parts
    assert parse_ablation(ablation.text).resolve(40) == ablation


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("skip:each", ["skip:1", "skip:2", "skip:3"]),
        ("attn:each", ["attn:1", "attn:2", "attn:3"]),
        ("skip:upper-1..3", ["skip:3", "skip:2-3", "skip:1-3"]),
        ("ffn:lower-2..3", ["ffn:1-2", "ffn:1-3"]),
        ("skip:upper-2..2", ["skip:2-3"]),
        ("skip:each+ffn:2", ["skip:1+ffn:2", "skip:2", "ffn:2+skip:3"]),
        ("attn:-1+ffn:each", ["ffn:1+attn:3", "ffn:2+attn:3", "skip:3"]),
    ],
)
def test_a_term_can_stand_for_a_series(text: str, canonical: list[str]) -> None:
    spec = parse_ablation(text)
    assert [ablation.text for ablation in spec.expand(3)] == canonical
    assert spec.is_series
    with pytest.raises(UsageError, match="stands for many: name one"):
        spec.resolve(3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not known; write e.g. skip:7"),
        ("skip", "'skip' is not known; write e.g."),
        ("drop:3", "'drop:3' is not known; write e.g."),
        ("skip:3+", "'' is not known; write e.g."),
        ("skip:", "'' names no blocks; write e.g."),
        ("skip:x", "'x' names no blocks; write e.g."),
        ("skip:1,2", "'1,2' names no blocks"),
        ("skip:1.5", "'1.5' names no blocks"),
        ("skip:3-", "'3-' names no blocks"),
        ("skip:1..3", "'1..3' names no blocks"),
        ("skip:upper", "'upper' names no blocks"),
        ("skip:upper--2", "'upper--2' names no blocks"),
        ("skip:0", "skip:0: blocks are counted from 1"),
        ("skip:upper-0", "skip:upper-0: blocks are counted from 1"),
        ("skip:5-3", "skip:5-3: its first number is above its last"),
        ("skip:-1--3", "skip:-1--3: its first number is above its last"),
        ("skip:upper-3..1", "skip:upper-3..1: its first number is above its last"),
        ("none+skip:3", "none stands alone"),
        ("skip:each+ffn:each", "only one of its terms may stand for many"),
    ],
)
def test_what_is_no_ablation_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=r"^ablation ") as caught:
        parse_ablation(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["skip:4", "skip:-4", "skip:2-4", "skip:3-1+ffn:4", "attn:upper-4", "ffn:lower-1..4"]
)
def test_a_block_that_a_model_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^ablation \w+:.*(this model has|above its last)"):
        parse_ablation(text).expand(3)

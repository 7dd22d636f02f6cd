"""Answers that a model writes: token for token against the oracle."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from conftest import OpenProbe
from writehelp import ENDS, PROMPTS, SEEDS, chosen, drawn, greedy, of, text_of, written

from llprobe.engine.packed import GROUP_SIZE
from llprobe.engine.session import Context
from llprobe.engine.write import PromptTokens, Writer, Written, fits, prompt_tokens

Tiny = Callable[..., Path]


# --- against the oracle -------------------------------------------------------------------------


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("prefix", [0, 5])
def test_answers_are_the_oracle_s_token_for_token(
    tiny: Tiny, exact: OpenProbe, share: bool, prefix: int
) -> None:
    path, begin = tiny(), drawn(8, prefix)
    prompts = [(*begin, *prompt) for prompt in PROMPTS]
    expected = [greedy(path, prompt, 10) for prompt in prompts]
    probe = exact(path, share=share)
    with Writer(probe, of(prompts), (), 10) as writer:
        assert writer.prefix == (begin if share else ())
        assert max(map(len, writer.groups)) == (GROUP_SIZE if share else 1)
        assert chosen(writer) == expected
    answers = written(probe, prompts)
    assert [a.text for a in answers] == [text_of(path, tokens) for tokens in expected]
    assert [a.n_tokens for a in answers] == [len(tokens) for tokens in expected]
    assert [a.finished for a in answers] == [tokens[-1] in ENDS for tokens in expected]
    assert {a.finished for a in answers} == {True, False}, "these prompts show both"


def test_both_end_of_generation_tokens_end_an_answer(tiny: Tiny, exact: OpenProbe) -> None:
    path = tiny()
    probe = exact(path)
    assert {token for token in range(384) if probe.model.is_end(token)} == ENDS
    with Writer(probe, of(PROMPTS), (), 10) as writer:
        tokens = chosen(writer)
    assert {t[-1] for t in tokens} > ENDS
    immediate = tokens[SEEDS.index(106)]
    assert immediate == [2]
    (answer,) = written(probe, [drawn(106)])
    assert answer == Written(0, "", 1, finished=True)


@pytest.mark.parametrize(
    "settings",
    [
        {"n_batch": 2},
        {"n_batch": 3, "n_ubatch": 2},
        {"n_batch": 9},
        {"n_ubatch": 1},
        {"n_ubatch": 3},
        {"n_ctx": 22},
        {"n_ctx": 60, "n_batch": 5},
        {"share": False, "n_batch": 2},
    ],
    ids=str,
)
def test_no_size_of_batch_or_cache_changes_an_answer(
    tiny: Tiny, exact: OpenProbe, settings: dict[str, Any]
) -> None:
    path = tiny()
    prompts = [(*drawn(7, 5), *prompt) for prompt in PROMPTS[:6]]
    with Writer(exact(path, **settings), of(prompts), (), 10) as writer:
        assert chosen(writer) == [greedy(path, prompt, 10) for prompt in prompts]


@pytest.mark.parametrize("share", [True, False])
def test_prompts_that_begin_alike_to_their_end(tiny: Tiny, exact: OpenProbe, share: bool) -> None:
    # One is the beginning of others, two are the same: each keeps its last token for itself.
    path, longest = tiny(), drawn(5, 9)
    prompts = [longest, longest[:4], longest[:5], longest, longest[:4]]
    expected = [greedy(path, prompt, 6) for prompt in prompts]
    with Writer(exact(path, share=share), of(prompts), (), 6) as writer:
        assert len(writer.prefix) == (3 if share else 0)
        assert chosen(writer) == expected
    assert expected[0] != expected[1]


def test_prompts_of_one_token_and_a_single_prompt(tiny: Tiny, exact: OpenProbe) -> None:
    path = tiny()
    for prompts in ([(9,), (10,)], [(9,)], [drawn(1, 6)]):
        with Writer(exact(path), of(prompts), (), 4) as writer:
            assert len(writer.prefix) == min(map(len, prompts)) - 1
            assert chosen(writer) == [greedy(path, prompt, 4) for prompt in prompts]


def test_equal_logits_choose_the_lowest_token(tiny: Tiny, exact: OpenProbe) -> None:
    # A final norm of zeros makes all logits zero, which the self-check refuses: set them after.
    probe, flat = exact(tiny()), np.zeros((2, 384), np.float32)
    flat[0, [7, 9]] = flat[1, [300, 5, 301]] = 1
    with (
        Writer(probe, of(PROMPTS[:2]), (), 1) as writer,
        patch.object(Context, "logits", return_value=flat),
    ):
        assert chosen(writer) == [[7], [5]]


# --- prompts ------------------------------------------------------------------------------------


def test_a_prompt_that_leaves_no_room_for_its_answer_is_skipped_with_the_reason() -> None:
    sequences = [[5] * n for n in (3, 6, 7, 1, 20)]
    prompts, skipped = prompt_tokens(sequences, [0, 2, 4, 6, 8], list("abcde"), 4, 10)
    assert prompts == PromptTokens(((5, 5, 5), (5,) * 6, (5,)), (0, 2, 6))
    assert [(s.id, s.reason) for s in skipped] == [
        ("c", "needs 11 tokens of context, 10 are there"),
        ("e", "needs 24 tokens of context, 10 are there"),
    ]
    assert [fits(n, 4, 10) for n in (5, 6, 7)] == [True, True, False]


def test_a_prompt_without_a_token_is_left_out_alone() -> None:
    prompts, skipped = prompt_tokens([[1], []], [0, 1], ["first", "second"], 4, 10)
    assert prompts == PromptTokens(((1,),), (0,))
    assert [(s.id, s.reason) for s in skipped] == [
        ("second", "no token stands before the answer; write a prompt")
    ]


def test_the_largest_prompt_that_fits_is_answered_in_full(tiny: Tiny, exact: OpenProbe) -> None:
    path = tiny()
    probe = exact(path, n_ctx=40)
    sequences = [drawn(1, 37), drawn(2, 36), drawn(3, 30)]
    prompts, skipped = prompt_tokens(sequences, [0, 1, 2], ["x", "y", "z"], 4, 40)
    assert [s.id for s in skipped] == ["x"]
    with Writer(probe, prompts, (), 4) as writer:
        assert writer.groups == ((0,), (1,))
        assert chosen(writer) == [greedy(path, prompt, 4) for prompt in sequences[1:]]


# --- texts of tokens ----------------------------------------------------------------------------


@pytest.mark.parametrize("tokenizer", ["bpe", "spm"])
def test_bytes_of_tokens_join_to_the_text(tiny: Tiny, probe: OpenProbe, tokenizer: str) -> None:
    model = probe(tiny(tokenizer=tokenizer)).model
    text = " caf\u00e9 \u4e2d\u56fd \U0001f642\n12"
    pieces = [model.token_bytes(token) for token in model.tokenize(text)]
    assert b"".join(pieces).decode().lstrip() == text.lstrip()
    assert any("\ufffd" in piece.decode(errors="replace") for piece in pieces), "none is cut"
    assert model.token_bytes(1) in {b"<|im_start|>", b"<s>"}

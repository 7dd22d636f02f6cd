"""Answers that a model writes: token for token against the oracle, and under any grouping."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from conftest import OpenProbe
from hypothesis import given
from hypothesis import strategies as st
from nativellama import spelled
from numpy.typing import NDArray
from oracle import NumpyLlama

from llprobe.engine.packed import GROUP_SIZE
from llprobe.engine.packed import _grouped as grouped
from llprobe.engine.probe import Probe
from llprobe.engine.session import Context
from llprobe.engine.write import PromptTokens, Writer, Written, fits, prompt_tokens
from llprobe.engine.write import _Answer as Answer
from llprobe.errors import RunError, TaskError

Tiny = Callable[..., Path]

ENDS = {0, 2}
"""The tiny models' end-of-generation tokens, <|endoftext|> and <|im_end|>."""


def drawn(seed: int, length: int = 4) -> tuple[int, ...]:
    return tuple(np.random.default_rng(seed).integers(3, 384, length).tolist())


# Chosen so that the tiny model ends some of its answers itself, the first as early as with its
# first token, with either of its two tokens for that, and leaves others to `max_tokens`.
SEEDS = (0, 1, 2, 27, 31, 56, 88, 106, 128, 149, 3)
PROMPTS = tuple(drawn(seed) for seed in SEEDS)


def of(prompts: Sequence[Sequence[int]]) -> PromptTokens:
    return PromptTokens(tuple(tuple(p) for p in prompts), tuple(range(len(prompts))))


def greedy(path: Path, prompt: Sequence[int], max_tokens: int) -> list[int]:
    """Continue a prompt by the oracle's most likely tokens, each of them clearly so."""
    oracle, tokens = NumpyLlama(path), list(prompt)
    while len(tokens) < len(prompt) + max_tokens:
        logits = oracle.logits(oracle.hidden_states(tokens)[-1, -1], normed=True)
        second, first = np.sort(logits)[-2:]
        assert first - second > 1e-3, "too close to call"
        tokens.append(int(logits.argmax()))
        if tokens[-1] in ENDS:
            break
    return tokens[len(prompt) :]


def text_of(path: Path, tokens: Sequence[int]) -> str:
    """Spell an answer, without the token that ended it."""
    return spelled(path, [t for t in tokens if t not in ENDS]).decode(errors="replace")


def chosen(writer: Writer) -> list[list[int]]:
    """Give the tokens of all answers, in the order of the prompts."""
    return [answer.tokens for group in writer.groups for answer in writer._group(group)]


def written(
    probe: Probe, prompts: Sequence[Sequence[int]], stop: Sequence[str] = (), max_tokens: int = 10
) -> list[Written]:
    with Writer(probe, of(prompts), stop, max_tokens) as writer:
        return [answer for _, group in writer.written() for answer in group]


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


# --- where an answer ends -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seed", "stop", "n_tokens", "kept"),
    [
        (2, "a ot", 5, ""),  # a | o|the
        (7, "r un", 3, "t"),  # tr| until
        (3, "79", 2, ""),
        (3, "9", 2, "7"),
    ],
)
def test_a_stop_text_across_tokens_ends_the_answer_and_is_left_out(
    tiny: Tiny, exact: OpenProbe, seed: int, stop: str, n_tokens: int, kept: str
) -> None:
    path, other = tiny(), drawn(88)
    whole = text_of(path, greedy(path, drawn(seed), 10))
    before, found, _ = whole.partition(stop)
    assert found
    assert before.endswith(kept)
    unaffected = greedy(path, other, 10)
    answers = written(exact(path), [drawn(seed), other], ["never written", stop])
    assert answers[0] == Written(0, before, n_tokens, finished=True)
    assert answers[1] == Written(1, text_of(path, unaffected), len(unaffected), finished=True)


@pytest.mark.parametrize("max_tokens", [1, 2, 6])
def test_max_tokens_ends_an_answer_unfinished(
    tiny: Tiny, exact: OpenProbe, max_tokens: int
) -> None:
    path = tiny()
    for answer, prompt in zip(written(exact(path), PROMPTS, (), max_tokens), PROMPTS, strict=True):
        tokens = greedy(path, prompt, max_tokens)
        assert answer.n_tokens == len(tokens) <= max_tokens
        assert answer.text == text_of(path, tokens)
        assert answer.finished is (tokens[-1] in ENDS)


def take_all(pieces: Sequence[bytes | None], stop: Sequence[str], max_tokens: int = 99) -> Answer:
    answer = Answer(stop, max_tokens)
    for token, piece in enumerate(pieces):
        if not answer.ended:
            answer.take(token, piece)
    return answer


def cut_up(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(ends)]


@given(
    text=st.text(st.sampled_from("ab \néßก中🙂"), max_size=12),
    stop=st.text(st.sampled_from("ab \néßก中🙂"), min_size=1, max_size=3),
    cuts=st.lists(st.integers(0, 40)),
)
def test_text_is_cut_at_a_stop_text_however_tokens_cut_the_bytes(
    text: str, stop: str, cuts: list[int]
) -> None:
    answer = take_all([*cut_up(text.encode(), cuts), None], [stop])
    assert answer.text == text.split(stop, maxsplit=1)[0]
    assert answer.finished


@given(data=st.binary(max_size=16), cuts=st.lists(st.integers(0, 16)), end=st.booleans())
def test_bytes_that_are_no_text_are_replaced_as_in_one_piece(
    data: bytes, cuts: list[int], end: bool
) -> None:
    pieces = cut_up(data, cuts)
    answer = take_all([*pieces, None] if end else pieces, (), max_tokens=len(pieces) + end)
    assert answer.text == data.decode(errors="replace")


@given(
    data=st.binary(max_size=16),
    cuts=st.lists(st.integers(0, 16)),
    stop=st.lists(st.sampled_from(["a", "\n", "é", "bc", "b"]), max_size=3),
    max_tokens=st.integers(1, 9),
)
def test_no_stop_text_stands_in_an_answer(
    data: bytes, cuts: list[int], stop: list[str], max_tokens: int
) -> None:
    answer = take_all(cut_up(data, cuts), stop, max_tokens)
    assert not any(text in answer.text for text in stop)
    assert len(answer.tokens) <= max_tokens


@pytest.mark.parametrize(
    ("pieces", "stop", "max_tokens", "text", "finished"),
    [
        ([b"ab"], ["b"], 9, "a", True),
        ([b"x\n\nQ: y"], ["Q:", "\n"], 9, "x", True),  # the one that stands first
        ([b"\n", b"x"], ["\n"], 9, "", True),
        ([b"a", b"b"], ["b"], 2, "a", True),  # with the last token allowed
        ([b"a", None], [], 2, "a", True),
        ([b"\xe4\xb8", b"\xad\n", b"x"], ["\n"], 9, "\u4e2d", True),
        ([b"a", b"\xe4\xb8"], [], 2, "a\ufffd", False),  # half a character, and no more tokens
        ([b"a\xe4", None], [], 9, "a\ufffd", True),
        ([b"a;\xe4", b"b"], [";"], 9, "a", True),  # half a character after the stop text
        ([b"", b"", b"x"], [], 3, "x", False),
    ],
)
def test_ends_of_answers(
    pieces: list[bytes | None], stop: list[str], max_tokens: int, text: str, finished: bool
) -> None:
    answer = take_all(pieces, stop, max_tokens)
    assert (answer.text, answer.finished) == (text, finished)
    assert answer.ended is (finished or len(pieces) == max_tokens)


def test_what_no_answer_can_be_written_with_is_refused(tiny: Tiny, exact: OpenProbe) -> None:
    probe = exact(tiny())
    with pytest.raises(TaskError, match="a stop text is empty and would"):
        Writer(probe, of(PROMPTS), ["\n", ""], 4)
    with pytest.raises(TaskError, match="max_tokens 0: an answer takes at least 1 token"):
        Writer(probe, of(PROMPTS), ["\n"], 0)


def test_logits_that_are_not_numbers_are_an_error(tiny: Tiny, exact: OpenProbe) -> None:
    broken = np.ones((1, 384), np.float32)
    broken[0, 17] = np.nan
    with (
        Writer(exact(tiny()), of(PROMPTS[:1]), (), 4) as writer,
        patch.object(Context, "logits", return_value=broken),
        pytest.raises(RunError, match="not numbers: try --reference"),
    ):
        next(writer.written())


# --- groups -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kv_f32", [False, True])
@pytest.mark.parametrize("settings", [{}, {"n_batch": 4}, {"share": False}], ids=str)
def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_one(
    tiny: Tiny, probe: OpenProbe, kv_f32: bool, settings: dict[str, Any]
) -> None:
    opened = probe(tiny(quant="Q4_1"), kv_f32=kv_f32, flash_attention=not kv_f32, **settings)
    prompts = of([(*drawn(7, 5), *drawn(seed, 2 + seed % 3)) for seed in range(19)])

    def run(done: set[int]) -> dict[int, tuple[list[Written], list[NDArray[np.float32]]]]:
        logits: list[NDArray[np.float32]] = []
        inner = Context.logits

        def kept(context: Context, n_rows: int) -> NDArray[np.float32]:
            logits.append(inner(context, n_rows))
            return logits[-1]

        results = {}
        with (
            Writer(opened, prompts, (), 7) as writer,
            patch.object(Context, "logits", kept),
        ):
            for index, answers in writer.written(frozenset(done)):
                results[index] = answers, logits.copy()
                logits.clear()
        return results

    whole = run(set())
    n_groups = len(whole)
    assert n_groups >= 3
    assert [a.index for answers, _ in whole.values() for a in answers] == list(range(19))
    for done in (set(), {0}, {1}, {0, 2}, set(range(n_groups - 1)), set(range(n_groups))):
        rest = run(done)
        assert set(rest) == set(range(n_groups)) - done
        for index, (answers, logits) in rest.items():
            assert answers == whole[index][0]
            for ours, theirs in zip(logits, whole[index][1], strict=True):
                np.testing.assert_array_equal(ours, theirs)


@given(
    cells=st.lists(st.integers(1, 30), max_size=30), size=st.integers(1, 9), room=st.integers(1, 80)
)
def test_groups_hold_every_prompt_once_in_order_and_fit(
    cells: list[int], size: int, room: int
) -> None:
    groups = grouped(cells, size, room)
    assert [position for group in groups for position in group] == list(range(len(cells)))
    for group in groups:
        assert 1 <= len(group) <= size
        assert len(group) == 1 or sum(cells[p] for p in group) <= room
    for group, after in pairwise(groups):
        full = len(group) == size
        assert full or sum(cells[p] for p in (*group, after[0])) > room, "could have been one"


@pytest.mark.parametrize(
    ("options", "settings", "sizes"),
    [
        ({}, {}, [8, 3]),
        ({}, {"n_ctx": 64}, [4, 4, 3]),  # 14 cells each
        ({}, {"n_ctx": 16}, [1] * 11),
        ({}, {"n_batch": 4}, [3, 3, 3, 2]),
        ({}, {"n_batch": 2}, [1] * 11),
        ({}, {"share": False}, [1] * 11),
        ({"n_ctx": 64}, {}, [4, 4, 3]),
    ],
    ids=str,
)
def test_sizes_of_groups(
    tiny: Tiny,
    exact: OpenProbe,
    options: dict[str, Any],
    settings: dict[str, Any],
    sizes: list[int],
) -> None:
    probe = exact(tiny(**options), **settings)
    with Writer(probe, of(PROMPTS), (), 10) as writer:
        assert [len(group) for group in writer.groups] == sizes
        assert writer.n_tokens == len(writer.prefix) + 14 * sum(sizes)
        assert writer._context.n_ctx == 256, "as much as is needed, in steps of 256"


def test_a_small_buffer_bounds_the_answers_written_together(tiny: Tiny, exact: OpenProbe) -> None:
    # 65,536 logits of 4 bytes: a MiB holds 4 rows.
    probe = exact(tiny(n_vocab=65_536, n_layers=1, tied=True), buffer_mb=1)
    with Writer(probe, of(PROMPTS), (), 2) as writer:
        assert [len(group) for group in writer.groups] == [4, 4, 3]
        assert len(list(writer.written())) == 3


def test_a_cache_holds_the_largest_group_whole(tiny: Tiny, exact: OpenProbe) -> None:
    # 8 answers of 60 tokens after prompts of 4 are 512 cells: two steps of 256, not one cell more.
    probe = exact(tiny())
    prompts = [prompt for prompt in PROMPTS if not written(probe, [prompt], (), 60)[0].finished]
    with Writer(probe, of((prompts * 8)[:8]), (), 60) as writer:
        assert writer.prefix == ()
        assert writer._context.n_ctx == 512 == writer.n_tokens
        ((_, answers),) = writer.written()
    assert [a.n_tokens for a in answers] == [60] * 8


def test_work_is_counted(tiny: Tiny, exact: OpenProbe) -> None:
    probe, begin = exact(tiny()), drawn(7, 5)
    prompts = [(*begin, *prompt) for prompt in PROMPTS]
    with Writer(probe, of(prompts), (), 3) as writer:
        assert writer.n_tokens == 5 + 11 * (4 + 3)
        groups = writer.written()
        answers = next(groups)[1]
        assert len(answers) == 8, "one group at a time"
        assert writer.phases.written == sum(a.n_tokens for a in answers)
        answers += next(groups)[1]
        figures = writer.phases.as_dict()
    assert figures["written"] == sum(a.n_tokens for a in answers)
    # of each answer all tokens but the last go through the model
    assert figures["tokens"] == 5 + 11 * 4 + sum(a.n_tokens - 1 for a in answers) < 5 + 11 * 7
    assert figures["prefill"] > 0
    assert figures["decode"] > 0


def test_nothing_to_answer_is_no_group(tiny: Tiny, exact: OpenProbe) -> None:
    with Writer(exact(tiny()), of([]), (), 4) as writer:
        assert writer.groups == ()
        assert writer.prefix == ()
        assert writer.n_tokens == 0
        assert list(writer.written()) == []


def test_indices_are_the_task_s(tiny: Tiny, exact: OpenProbe) -> None:
    prompts = PromptTokens(PROMPTS[:3], (4, 9, 2))
    with Writer(exact(tiny()), prompts, (), 2) as writer:
        ((_, answers),) = writer.written()
    assert [answer.index for answer in answers] == [4, 9, 2]


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


def test_a_prompt_without_a_token_is_an_error_that_names_the_item() -> None:
    with pytest.raises(TaskError, match="item second: no token stands before the answer"):
        prompt_tokens([[1], []], [0, 1], ["first", "second"], 4, 10)


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

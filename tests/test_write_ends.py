"""Where an answer that a model writes ends: end tokens, stop texts, and its length."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from conftest import OpenProbe
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from writehelp import ENDS, PROMPTS, drawn, greedy, of, text_of, written

from llprobe.engine.packed import GROUP_SIZE
from llprobe.engine.session import Context
from llprobe.engine.write import Writer, Written
from llprobe.engine.write import _Answer as Answer
from llprobe.errors import TaskError

Tiny = Callable[..., Path]


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


def test_logits_that_are_not_numbers_leave_that_answer_out(tiny: Tiny, exact: OpenProbe) -> None:
    broken = np.ones((1, 384), np.float32)
    broken[0, 17] = np.nan
    with (
        Writer(exact(tiny()), of(PROMPTS[:1]), (), 4) as writer,
        patch.object(Context, "logits", return_value=broken),
    ):
        _, answers = next(writer.written())
    assert "not numbers: try --reference" in answers[0].fault
    assert answers[0].text == ""


def test_an_answer_that_fails_is_asked_alone_and_spoils_no_other(
    tiny: Tiny, exact: OpenProbe
) -> None:
    """One whose logits are no numbers among others: those are what they are without it."""
    path, own = tiny(), Context.logits

    def spoilt(context: Context, n_rows: int) -> NDArray[np.float32]:
        logits = own(context, n_rows)
        if n_rows == GROUP_SIZE:  # only while they are answered together
            logits[1:3] = np.nan
        return logits

    with Writer(exact(path), of(PROMPTS), (), 4) as writer:
        plain = [answer for _, group in writer.written() for answer in group]
    with (
        Writer(exact(path), of(PROMPTS), (), 4) as writer,
        patch.object(Context, "logits", spoilt),
    ):
        mended = [answer for _, group in writer.written() for answer in group]
    assert not any(answer.fault for answer in mended)
    assert [answer.text for answer in mended] == [answer.text for answer in plain]

"""Prompts and options as tokens: where scoring starts, and what is left out of it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import OpenProbe
from nativellama import tokenised
from oracle import Lens, NumpyLlama
from scorehelp import ALL, EXACT, Floats, expected, flat, off, scored

from llprobe.engine.probe import Probe
from llprobe.engine.score import Scorer
from llprobe.engine.tokens import TokenizedTask, tokenize_items
from llprobe.task import Item

Tiny = Callable[..., Path]


def item(prompt: str, *choices: str, name: str = "q1") -> Item:
    return Item(name, prompt, choices, (0,), 0)


def text_of(probe: Probe, tokens: Sequence[int]) -> str:
    return "".join(probe.model.token_text(token) for token in tokens)


def oracle_scores(path: Path, scores: TokenizedTask, lens: Lens) -> Floats:
    return expected(NumpyLlama(path), scores.items, lens)


@pytest.mark.parametrize("tokenizer", ["bpe", "spm"])
def test_prompt_and_option_are_tokenised_jointly(
    tiny: Tiny, exact: OpenProbe, tokenizer: str
) -> None:
    path = tiny(tokenizer=tokenizer)
    probe = exact(path)
    task = tokenize_items(probe, "12 is the number.\n", [item("Q: until?\nA:", " the", " in of")])
    (tokens,) = task.items
    bos = [1] if tokenizer == "spm" else []
    prompt = "12 is the number.\nQ: until?\nA:"
    for sequence, choice in zip(tokens.sequences, (" the", " in of"), strict=True):
        assert list(sequence) == bos + tokenised(path, prompt + choice)
    assert tokens.start == len(bos + tokenised(path, prompt))
    assert task.longest == max(map(len, tokens.sequences))
    ours = flat(scored(probe, task.items), "norm")
    assert off(ours, oracle_scores(path, task, "norm")) < EXACT


def test_where_tokens_merge_across_the_boundary_scoring_starts_before_it(
    tiny: Tiny, exact: OpenProbe
) -> None:
    # "un" and "til" make one token; " of" does not merge, so that "un" is scored with it: all
    # options of a question are scored from the same token on.
    path = tiny()
    probe = exact(path)
    task = tokenize_items(probe, "", [item("A: un", "til", " of", "der")])
    (tokens,) = task.items
    prompt = tokenised(path, "A: un")
    assert tokens.start == len(prompt) - 1
    merged, apart, other = (sequence[tokens.start :] for sequence in tokens.sequences)
    assert text_of(probe, merged) == " until"
    assert len(merged) == 1
    assert text_of(probe, apart) == " un of"
    assert text_of(probe, other) == " under"
    ours = flat(scored(probe, task.items), "paper")
    assert off(ours, oracle_scores(path, task, "paper")) < EXACT


def test_a_space_at_the_end_of_the_prompt_scores_as_one_before_the_options(
    tiny: Tiny, exact: OpenProbe
) -> None:
    probe = exact(tiny())
    (after,) = tokenize_items(probe, "", [item("A: ", "the", "in")]).items
    (before,) = tokenize_items(probe, "", [item("A:", " the", " in")]).items
    assert after == before


@pytest.mark.parametrize("tokenizer", ["bpe", "spm"])
@pytest.mark.parametrize("add_bos", [False, True])
def test_bos_is_added_once_where_the_model_asks_for_it(
    tiny: Tiny, probe: OpenProbe, tokenizer: str, add_bos: bool
) -> None:
    opened = probe(tiny(tokenizer=tokenizer, add_bos=add_bos))
    task = tokenize_items(opened, "<s><|im_start|>", [item("A:", " the", " in")])
    for sequence in task.items[0].sequences:
        assert (sequence[0] == 1) is add_bos
        assert sequence.count(1) == add_bos, "the text's own is plain text"


@pytest.mark.parametrize("tokenizer", ["bpe", "spm"])
def test_the_text_of_a_special_token_stays_plain_text(
    tiny: Tiny, probe: OpenProbe, tokenizer: str
) -> None:
    opened = probe(tiny(tokenizer=tokenizer, add_bos=False))
    special = "<|im_start|><|endoftext|></s><s><unk>"
    asked = item(f"Q: {special} A:", f" the {special}", " in")
    task = tokenize_items(opened, special, [asked])
    spoken = task.items[0].sequences[0]
    assert min(spoken) > 4, "a control token was parsed"
    assert text_of(opened, spoken).lstrip() == f"{special}Q: {special} A: the {special}"
    assert min(opened.model.tokenize("<|im_start|>", special=True)) <= 4


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (item("A:", " in", "", name="broken"), "the choice '' adds no token to the prompt"),
        (item("A: un", "til", "", name="broken"), "the choice '' adds no token to the prompt"),
        (item("", " in", " the", name="broken"), "no token stands before the answer; write a pro"),
        (item("un", "til", " the", name="broken"), "an option merges with the prompt's first tok"),
    ],
)
def test_an_item_that_cannot_be_scored_is_left_out_alone_and_with_its_reason(
    tiny: Tiny, probe: OpenProbe, broken: Item, reason: str
) -> None:
    asked = [item("A:", " in", " the", name="fine"), broken, item("A:", " to", " of", name="last")]
    task = tokenize_items(probe(tiny()), "", asked)
    assert task.indices == (0, 2)
    assert [skipped.id for skipped in task.skipped] == ["broken"]
    assert task.skipped[0].reason.startswith(reason)


def test_an_empty_prompt_is_scored_where_bos_stands_before_the_options(
    tiny: Tiny, exact: OpenProbe
) -> None:
    asked = item("", "the", "in", name="alone")
    path = tiny(tokenizer="spm")
    task = tokenize_items(exact(path), "", [asked])
    assert task.items[0].start == 1
    ours = flat(scored(exact(path), task.items), "norm")
    assert off(ours, oracle_scores(path, task, "norm")) < EXACT


@pytest.mark.parametrize(
    ("settings", "limit"), [({"n_ctx": 40}, 40), ({}, 64), ({"n_ctx": 4096}, 64)], ids=str
)
def test_an_item_too_long_for_the_context_is_skipped_with_the_reason(
    tiny: Tiny, exact: OpenProbe, settings: dict[str, Any], limit: int
) -> None:
    path = tiny(n_ctx=64)
    probe = exact(path, **settings)
    fits = "x" * (limit - 3)
    asked = [
        item("A:", " in", " the", name="short"),
        item(f"{fits}A:", "b", "c", name="just"),
        item(f"{fits}A:", "b", "cc", name="long"),
        item(fits * 9, " in", " the", name="endless"),
        item("B:", " in", " the", name="last"),
    ]
    task = tokenize_items(probe, "", asked)
    assert task.indices == (0, 1, 4)
    assert [skipped.id for skipped in task.skipped] == ["long", "endless"]
    assert task.skipped[0].reason == f"needs {limit + 1} tokens of context, {limit} are there"
    with Scorer(probe, task, ALL, ("norm",)) as scorer:
        scores = [score for _, group in scorer.groups() for score in group]
    assert [score.index for score in scores] == [0, 1, 4]
    assert off(flat(scores, "norm"), oracle_scores(path, task, "norm")) < EXACT


def test_skipping_shared_positions_changes_no_difference_between_options(
    tiny: Tiny, exact: OpenProbe
) -> None:
    items = [
        Item("a", "once upon", (" a time there was", " a time there is", " a time"), (0,), 0),
        Item("b", "two", (" plus", " minus two"), (1,), 1),
    ]
    tokenized, scores = [], []
    for skip in (False, True):
        opened = exact(tiny(), skip_shared=skip)
        tokenized.append(tokenize_items(opened, "", items).items)
        scores.append(scored(opened, tokenized[-1]))
    for full, part in zip(*scores, strict=True):
        whole, short = full.logprob["norm"], part.logprob["norm"]
        assert off(whole - whole[0], short - short[0]) < EXACT
    assert [item.sequences for item in tokenized[0]] == [item.sequences for item in tokenized[1]]
    assert tokenized[1][0].start > tokenized[0][0].start
    assert min(scores[1][0].n_tokens) >= 1

"""Chat templates: tokens as llama.cpp's own of the rendered text; markers only from the template.

The rendered texts are written out by hand, and tokenised by llama.cpp with special tokens parsed.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import cast

import llama_cpp.llama_cpp as native
import pytest
from chatstyles import (
    BOTH,
    CHATML,
    QUESTION,
    STYLES,
    TURNS,
    Style,
    Tiny,
    item,
    opened,
    prompt_of,
    text_of,
)
from conftest import OpenProbe
from hypothesis import given, settings
from hypothesis import strategies as st
from nativellama import tokenised

from llprobe.engine.chat import _cut as cut
from llprobe.engine.probe import Probe
from llprobe.engine.session import Model
from llprobe.engine.tokens import chat_around, tokenize_items, tokenize_prompts
from llprobe.errors import TaskError
from llprobe.model import read_model, resolve
from llprobe.settings import EngineSettings
from llprobe.task import Turn

styles = pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)


def markers(probe: Probe, tokens: Sequence[int]) -> list[int]:
    """Give the control tokens of a sequence."""
    vocab = probe.model.vocab
    return [token for token in tokens if native.llama_vocab_is_control(vocab, token)]


@styles
def test_tokens_are_those_of_llama_cpp_for_the_rendered_text(
    tiny: Tiny, probe: OpenProbe, style: Style
) -> None:
    path = tiny(chat_template=style.template, **style.options)
    model = probe(path)
    # llama.cpp would put a second BOS before the template's
    bos = not style.text.startswith(model.model.token_text(1))
    expected = tokenised(path, style.text, bos=bos, special=True)
    (prompt,) = tokenize_prompts(model, "", [item(QUESTION)], TURNS)
    assert list(prompt) == expected
    (tokens,) = tokenize_items(model, "", [item(QUESTION, " until", " in\tthe")], TURNS).items
    for sequence, choice in zip(tokens.sequences, ("until", "in\tthe"), strict=True):
        assert list(sequence) == tokenised(
            path, style.text + style.lead + choice, bos=bos, special=True
        )
    assert tokens.start == len(prompt)
    assert len(markers(model, prompt)) >= 2


@styles
def test_what_is_kept_of_a_template_makes_up_the_rendered_text(
    tiny: Tiny, probe: OpenProbe, style: Style
) -> None:
    model = probe(tiny(chat_template=style.template, **style.options))
    before, after, lead = chat_around(model, TURNS)
    assert (before + QUESTION + after, lead) == (style.text, style.lead)
    for turns in (TURNS[:1], (), TURNS):
        before, after, lead = chat_around(model, turns)
        assert f" {QUESTION}\n" not in before
        asked = replace(item(f" {QUESTION}\n", " 12"), choices=(" 12", " the 12"))
        (tokens,) = tokenize_items(model, "", [asked], turns).items
        bos = not before.startswith(model.model.token_text(1))
        text = before + QUESTION + after + lead + "12"
        expected = tokenised(model.model.info.paths[0], text, bos=bos, special=True)
        assert list(tokens.sequences[0]) == expected
    assert chat_around(model, None) == ()


@styles
def test_a_marker_in_a_message_or_an_option_stays_text(
    tiny: Tiny, probe: OpenProbe, style: Style
) -> None:
    model = opened(tiny, probe, style.template, **style.options)
    special = "<s></s><unk><|im_start|><|im_end|><|eot_id|><end_of_turn><|user|>"
    turns = tuple(Turn(turn.role, f"{turn.text} {special} x") for turn in TURNS)
    plain = tuple(Turn(turn.role, f"{turn.text} x") for turn in TURNS)
    ours, theirs = (
        tokenize_items(model, "", [item(text, *choices)], given).items[0]
        for text, given, choices in [
            (f"{special} {QUESTION}", turns, (f" {special}", " in")),
            (QUESTION, plain, (" the", " in")),
        ]
    )
    assert markers(model, ours.sequences[0]) == markers(model, theirs.sequences[0])
    assert text_of(model, ours.sequences[0]).count(special) == 5
    assert text_of(model, ours.sequences[0]).endswith(special)


@pytest.fixture(scope="session")
def chatml(tiny: Tiny) -> Iterator[dict[str, Probe]]:
    """Give models of both tokenizers that stay open."""
    with ExitStack() as stack:
        paths = {kind: tiny(chat_template=CHATML.template, tokenizer=kind) for kind in BOTH}
        one = EngineSettings(n_threads=1, n_gpu_layers=0)
        yield {k: stack.enter_context(Probe(read_model(p), one)) for k, p in paths.items()}


@pytest.mark.parametrize("kind", BOTH)
@given(texts=st.tuples(*[st.text(st.sampled_from("untilhe<|_>\n\t mé0A🙂▁"), max_size=30)] * 4))
@settings(max_examples=80, deadline=None)
def test_any_messages_are_tokenised_as_in_the_whole(
    chatml: dict[str, Probe], kind: str, texts: tuple[str, str, str, str]
) -> None:
    probe, roles = chatml[kind], ("user", "assistant", "user")
    turns = tuple(map(Turn, roles, texts))
    said = (f"<|im_start|>{turn.role}\n{turn.text.strip()}<|im_end|>\n" for turn in turns)
    whole = "".join(said) + "<|im_start|>assistant\n"
    bos = [1] if kind == "spm" else []
    asked = item(turns[-1].text, "x" + texts[3], "y")
    (tokens,) = tokenize_items(probe, "", [asked], turns[:-1]).items
    expected = [*bos, *probe.model.tokenize(whole + asked.choices[0], special=True)]
    assert list(tokens.sequences[0]) == expected


@pytest.mark.parametrize("kind", BOTH)
@given(text=st.lists(st.sampled_from(["<|im_", "end", "|>", "<s>", "<|im_start|>", "\n", "a"])))
@settings(max_examples=80, deadline=None)
def test_no_message_brings_a_marker_with_it(
    chatml: dict[str, Probe], kind: str, text: list[str]
) -> None:
    probe, spelled = chatml[kind], "".join(text)
    (prompt,) = tokenize_prompts(probe, "", [item(spelled)], (Turn("system", spelled),))
    (empty,) = tokenize_prompts(probe, "", [item("a")], (Turn("system", "a"),))
    assert markers(probe, prompt) == markers(probe, empty)


def test_where_an_option_merges_with_the_generation_prompt_scoring_starts_before_it(
    tiny: Tiny, probe: OpenProbe
) -> None:
    template = "{% for m in messages %}{{ '<|im_start|>' + m.content }}{% endfor %}<|im_end|>A: un"
    model = opened(tiny, probe, template)
    (tokens,) = tokenize_items(model, "", [item("Q", " til", " of")], ()).items
    merged, apart = (text_of(model, sequence[tokens.start :]) for sequence in tokens.sequences)
    assert (merged, apart) == (" until", " unof")
    assert text_of(model, tokens.sequences[0][: tokens.start]).endswith("Q<|im_end|>A:")


def test_a_generation_prompt_may_end_with_a_marker(tiny: Tiny, probe: OpenProbe) -> None:
    model = opened(tiny, probe, "{{ messages[0].content }}<|im_start|>")
    (tokens,) = tokenize_items(model, "", [item("Q", " the", " in")], ()).items
    assert [text_of(model, s) for s in tokens.sequences] == ["Q<|im_start|>the", "Q<|im_start|>in"]
    assert tokens.sequences[0][tokens.start - 1] == 1


def test_the_unknown_token_is_a_marker_where_the_template_spells_it(
    tiny: Tiny, probe: OpenProbe
) -> None:
    model = probe(tiny(tokenizer="spm")).model
    assert list(cut(model, "of<unk> the<s>")) == ["of", 0, " the", 1, ""]

    class NeverSeen:
        """A tokenizer that has no token for some letters, and no bytes to spell them with."""

        vocab = model.vocab

        def tokenize(self, _: str, **__: bool) -> list[int]:
            return [0, 0, 1, 0]

    assert list(cut(cast("Model", NeverSeen()), "é<unk><s>é")) == ["é", 0, "", 1, "é"]


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("add_bos", [False, True])
@pytest.mark.parametrize("written", ["{{ bos_token }}", "", "the {{ bos_token }}"])
def test_bos_comes_once(
    tiny: Tiny, probe: OpenProbe, kind: str, add_bos: bool, written: str
) -> None:
    template = written + "{{ messages[0].content }}"
    model = opened(tiny, probe, template, tokenizer=kind, add_bos=add_bos)
    (prompt,) = tokenize_prompts(model, "", [item("12")], ())
    assert prompt.count(1) == (written == "{{ bos_token }}" or add_bos) + written.startswith("the")
    assert (prompt[0] == 1) is (written == "{{ bos_token }}" or add_bos)


def test_a_marker_that_is_parsed_in_any_text_is_refused_in_a_message(
    tiny: Tiny, probe: OpenProbe
) -> None:
    special = (("<turn>", "USER_DEFINED"), ("  ", "USER_DEFINED"), ("<h1>", "USER_DEFINED"))
    template = "{% for m in messages %}{{ '<turn>  ' + m.content }}{% endfor %}<turn>"
    model = opened(tiny, probe, template, special=special)
    expected = model.model.tokenize("<turn>  12  <h1><turn>")
    assert list(tokenize_prompts(model, "", [item("12  <h1>")], ())[0]) == expected
    with pytest.raises(TaskError, match=r"item bad: '<turn>' marks turns in the chat template of "):
        tokenize_prompts(model, "", [item("12"), item("the <turn> 12", name="bad")], ())


def test_white_space_around_contents_and_before_options_is_left_out(
    tiny: Tiny, probe: OpenProbe
) -> None:
    model = opened(tiny, probe, CHATML.template)
    spaced = tuple(Turn(turn.role, f"\n {turn.text}\u2003\n") for turn in TURNS)
    asked = [item(f" {QUESTION}\n", "\n the ", "  in")], [item(QUESTION, "the ", "in")]
    ours, theirs = (tokenize_items(model, "", *a) for a in zip(asked, (spaced, TURNS), strict=True))
    assert ours == theirs


def test_a_chat_without_template_turns_has_the_item_alone(tiny: Tiny, probe: OpenProbe) -> None:
    model = opened(tiny, probe, CHATML.template)
    assert (
        prompt_of(model, ()) == f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
    )


def test_items_too_long_and_options_without_a_token_are_told_apart(
    tiny: Tiny, probe: OpenProbe
) -> None:
    model = opened(tiny, probe, CHATML.template, n_ctx=96)
    asked = [item("12"), item("x" * 90, name="long"), item("the")]
    task = tokenize_items(model, "", asked, ())
    assert task.indices == (0, 2)
    assert [each.id for each in task.skipped] == ["long"]
    assert len(tokenize_prompts(model, "", asked, ())[1]) > 96
    empty = tokenize_items(model, "", [item("12", " in", "  ", name="empty")], ())
    assert empty.skipped[0].reason == "the choice '' adds no token to the prompt"


def test_without_turns_the_prompt_is_plain_text(tiny: Tiny, probe: OpenProbe) -> None:
    model = opened(tiny, probe, "{{ raise_exception('unused') }}", add_bos=True)
    asked = [item("12 <|im_end|>:"), item("the")]
    prompts = tokenize_prompts(model, "until ", asked)
    assert [text_of(model, p) for p in prompts] == [
        "<|im_start|>until 12 <|im_end|>:",
        "<|im_start|>until the",
    ]
    for prompt, tokens in zip(prompts, tokenize_items(model, "until ", asked).items, strict=True):
        assert tokens.sequences[0][: tokens.start] == prompt
    bare = opened(tiny, probe, "")
    assert [len(p) for p in tokenize_prompts(bare, "", [item("the"), item("", name="none")])] == [
        1, 0
    ]  # fmt: skip


@pytest.mark.model
def test_tokens_of_the_default_model_are_those_of_llama_cpp() -> None:
    info = resolve("smollm2-135m", fetch=True)
    asked = item("What is the capital of Italy?", " Rome", " Bern")
    text = CHATML.text.replace(QUESTION, asked.prompt)
    own = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    alone = f"<|im_start|>system\n{own}<|im_end|>\n" + text[text.rindex("<|im_start|>user") :]
    with Probe(info, EngineSettings(n_threads=1, n_gpu_layers=0)) as probe:
        for turns, rendered in ((TURNS, text), ((), alone)):
            (tokens,) = tokenize_items(probe, "", [asked], turns).items
            expected = [
                tokenised(info.paths[0], rendered + o, special=True) for o in ("Rome", "Bern")
            ]
            assert [list(sequence) for sequence in tokens.sequences] == expected
            assert [s[tokens.start :] for s in tokens.sequences] == [
                tuple(probe.model.tokenize(option)) for option in ("Rome", "Bern")
            ]

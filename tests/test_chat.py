"""Chat templates: tokens as llama.cpp's own of the rendered text; markers only from the template.

The rendered texts are written out by hand, and tokenised by llama.cpp with special tokens parsed.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import llama_cpp.llama_cpp as native
import pytest
from conftest import OpenProbe
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError
from nativellama import tokenised

from llprobe.engine.chat import Chat
from llprobe.engine.chat import _cut as cut
from llprobe.engine.chattemplate import ChatTemplate, fold_system
from llprobe.engine.probe import Probe
from llprobe.engine.session import Model
from llprobe.engine.tokens import tokenize_items, tokenize_prompts
from llprobe.errors import ModelError, TaskError
from llprobe.model import read_model, resolve
from llprobe.settings import EngineSettings
from llprobe.task import Item, Turn
from llprobe.task.sandbox import environment

Tiny = Callable[..., Path]


@dataclass(frozen=True)
class Style:
    """A template in the style of a known model, the model, and what the conversation becomes."""

    template: str
    text: str
    """Rendered, as far as the answer."""
    options: dict[str, Any] = field(default_factory=dict)
    lead: str = ""
    """What the template writes between that and an answer."""


SYSTEM = Turn("system", "the answer is a number")
SHOT = (Turn("user", "12 of 12?"), Turn("assistant", "until 12"))
TURNS = (SYSTEM, *SHOT)
BOTH = ("bpe", "spm")
QUESTION = "capital of the river?"


def control(*texts: str) -> tuple[tuple[str, str], ...]:
    return tuple((text, "CONTROL") for text in texts)


CHATML: Final = Style(
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}\n",
    "<|im_start|>system\nthe answer is a number<|im_end|>\n"
    "<|im_start|>user\n12 of 12?<|im_end|>\n"
    "<|im_start|>assistant\nuntil 12<|im_end|>\n"
    "<|im_start|>user\ncapital of the river?<|im_end|>\n"
    "<|im_start|>assistant\n",
)
LLAMA2: Final = Style(
    """\
{% if messages[0]['role'] == 'system' %}
    {% set rest = messages[1:] %}
    {% set first = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}
{% else %}
    {% set rest = messages %}{% set first = '' %}
{% endif %}
{% for message in rest %}
    {% if message['role'] == 'user' %}
        {{- bos_token + '[INST] ' + (first if loop.first else '') -}}
        {{- message['content'].strip() + ' [/INST]' -}}
    {% else %}
        {{- ' ' + message['content'] | trim + ' ' + eos_token -}}
    {% endif %}
{% endfor %}
""",
    "<s>[INST] <<SYS>>\nthe answer is a number\n<</SYS>>\n\n12 of 12? [/INST] until 12 </s>"
    "<s>[INST] capital of the river? [/INST]",
    {"tokenizer": "spm"},
    lead=" ",
)
LLAMA3: Final = Style(
    """\
{%- if tools is not none %}{{- raise_exception('no tools here') }}{%- endif %}
{{- bos_token }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}
    {{- message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""",
    "<|im_start|><|start_header_id|>system<|end_header_id|>\n\nthe answer is a number<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\n12 of 12?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nuntil 12<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\ncapital of the river?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    {
        "add_bos": True,
        "n_vocab": 448,
        "special": control("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    },
)
GEMMA: Final = Style(
    """\
{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}
{% for message in messages %}
{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('order') }}{% endif %}
{% set role = 'model' if message.role == 'assistant' else message.role %}
{{ '<start_of_turn>' + role + '\\n' + message.content | trim + '<end_of_turn>\\n' }}
{%- endfor %}
{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}
""",
    "<s><start_of_turn>user\nthe answer is a number\n\n12 of 12?<end_of_turn>\n"
    "<start_of_turn>model\nuntil 12<end_of_turn>\n"
    "<start_of_turn>user\ncapital of the river?<end_of_turn>\n"
    "<start_of_turn>model\n",
    {
        "tokenizer": "spm",
        "n_vocab": 448,
        "special": control("<start_of_turn>", "<end_of_turn>"),
    },
)
MISTRAL: Final = Style(
    """\
{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}
{{- ' [INST] ' + message['content'] + ' [/INST]' }}
{%- elif message['role'] == 'assistant' %}
{{- ' ' + message['content'] + eos_token }}
{%- else %}
{{ raise_exception('Only user and assistant roles are supported!') }}
{%- endif %}{% endfor %}
""",
    "<s> [INST] the answer is a number\n\n12 of 12? [/INST] until 12</s>"
    " [INST] capital of the river? [/INST]",
    {"tokenizer": "spm"},
    lead=" ",
)
# llama.cpp takes the white space after this model's markers away.
PHI3: Final = Style(
    "{{ bos_token }}{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}"
    "{% endfor %}{{ '<|assistant|>\n' }}",
    "<s><|system|>\nthe answer is a number<|end|>\n<|user|>\n12 of 12?<|end|>\n"
    "<|assistant|>\nuntil 12<|end|>\n<|user|>\ncapital of the river?<|end|>\n<|assistant|>\n",
    {
        "name": "phi3",
        "tokenizer": "spm",
        "n_vocab": 448,
        "special": control("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
    },
)
STYLES: Final = {
    "chatml": CHATML,
    "chatml, spm": Style(CHATML.template, CHATML.text, {"tokenizer": "spm"}),
    "llama 2": LLAMA2,
    "llama 3": LLAMA3,
    "gemma": GEMMA,
    "mistral": MISTRAL,
    "phi 3": PHI3,
}
styles = pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)


def item(prompt: str, *choices: str, name: str = "q1") -> Item:
    return Item(name, prompt, choices or (" the", " in"), (0,), 0)


def text_of(probe: Probe, tokens: Sequence[int]) -> str:
    return "".join(probe.model.token_text(token) for token in tokens)


def opened(tiny: Tiny, probe: OpenProbe, template: str, **options: Any) -> Probe:
    return probe(tiny(chat_template=template, **options))


def prompt_of(probe: Probe, turns: tuple[Turn, ...] = TURNS, text: str = QUESTION) -> str:
    return text_of(probe, tokenize_prompts(probe, "", [item(text)], turns)[0])


def markers(probe: Probe, tokens: Sequence[int]) -> list[int]:
    """Give the control tokens of a sequence."""
    vocab = probe.model.vocab
    return [token for token in tokens if native.llama_vocab_is_control(vocab, token)]


# --- tokens -------------------------------------------------------------------------------------


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
    with pytest.raises(TaskError, match=r"item empty: the choice '' adds no token"):
        tokenize_items(model, "", [item("12", " in", "  ", name="empty")], ())


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
    with pytest.raises(TaskError, match="item none: the prompt has no token"):
        tokenize_prompts(bare, "", [item("the"), item("", name="none")])


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


# --- messages and templates ---------------------------------------------------------------------


def test_system_text_goes_to_the_head_of_the_first_user_turn() -> None:
    user, answer = Turn("user", " 12? "), Turn("assistant", " 12 ")
    assert fold_system((SYSTEM, user, answer, user)) == (
        Turn("user", "the answer is a number\n\n12?"),
        answer,
        user,
    )
    assert fold_system((user, answer, user)) == (user, answer, user)
    assert fold_system((Turn("system", " "), user)) == (Turn("user", "12?"),)


SAYS: Final = "{{ '<' + m.role + ':' + m.content + '>' }}"
ALL_SAY: Final = "{% for m in messages %}" + SAYS + "{% endfor %}"


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages if m.role != 'system' %}" + SAYS + "{% endfor %}",
        "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" + ALL_SAY,
        # said before the last question, as some models have it
        "{% for m in messages if m.role != 'system' %}"
        "{% if loop.last and messages[0].role == 'system' %}{{ messages[0].content }}{% endif %}"
        + SAYS
        + "{% endfor %}",
    ],
    ids=["dropped", "refused", "moved"],
)
def test_a_system_turn_that_the_template_does_not_take_is_folded(
    tiny: Tiny, probe: OpenProbe, template: str
) -> None:
    model = opened(tiny, probe, template)
    first = f"<user:{SYSTEM.text}\n\n{SHOT[0].text}>"
    rest = f"<assistant:{SHOT[1].text}><user:{QUESTION}>"
    assert prompt_of(model) == first + rest
    assert prompt_of(model, SHOT) == f"<user:{SHOT[0].text}>{rest}"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (
            "{{ strftime_now is defined }} {{ tools is none }} {{ documents is none }}",
            "False True True",
        ),
        ("{{ messages[0].tool_calls }}{{ nothing }}|{{ bos_token }}|{{ eos_token }}", "|<s>|</s>"),
        ("{{ {'a': '<é\ue000\"'} | tojson }}", '{"a": "<é\ue000\\""}'),
        ("{{ [1, 2] | tojson(indent=1) }}", "[\n 1,\n 2\n]"),
        ("{{ {'b': 1, 'a': 2} | tojson(separators=(',', ':'), sort_keys=true) }}", '{"a":2,"b":1}'),
        ("{% generation %}a{% set b = 1 %}{% endgeneration %}{{ b }}", "a"),
        ("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("a\n  {% if true %}\nb\n  {% endif %}\n", "a\nb\n"),
        ("{{ add_generation_prompt }}\n", "True"),
        ("{{ '%s-%d' | format('a', 3) }}{{ ''.join(['b']) }}{{ 'c'.strip() }}", "a-3bc"),
    ],
)
def test_templates_find_what_transformers_offers_them(template: str, expected: str) -> None:
    made = ChatTemplate(template + "{{ messages[0].content }}", "m", "<s>", "</s>")
    before, after = made.layout(["user"])
    # a final line break is not the template's last character here
    assert (before.rstrip("\n"), after) == (expected.rstrip("\n"), "")


def test_task_templates_keep_their_own_sandbox() -> None:
    ChatTemplate("{{ messages[0].content }}", "m", "", "").layout(["user"])
    task = environment()
    assert "raise_exception" not in task.globals
    assert task.from_string("{{ '<' | tojson }}").render() == '"\\u003c"'
    with pytest.raises(UndefinedError):
        task.from_string("{{ nothing }}").render()


ERRORS: Final = {
    "{% for m in messages %}\n{{ m.content }": "line 2: unexpected '}'",
    "{% if true %}\n\nA": "line 2: Unexpected end of template",
    "{% nonesuch %}": "line 1: Encountered unknown tag 'nonesuch'",
    "\n\n{{ raise_exception('take\n \x1b[31mturns') }}": "line 3: take [31mturns",
    "{{ raise_exception('ab' * 400) }}": f"line 1: {'ab' * 80}",
    "\n{{ ''.__class__.__mro__[1].__subclasses__() }}": "line 2: access to attribute '__class__'",
    "{{ cycler.__init__.__globals__.os.system('x') }}": "line 1: access to attribute '__init__'",
    "{% set x = messages.append({}) %}": "line 1: access to attribute 'append'",
    "{{ messages[0].content() }}": "line 1: 'str' object is not callable",
    "\n\n\n{{ 1 // 0 }}": "line 4: integer ",
    "{% macro f() %}\n{{ 1 // 0 }}{% endmacro %}\n\n{{ f() }}": "line 2: integer ",
    "{{ nothing.more }}": "line 1: 'nothing' is undefined",
    "{{ 'a' * 10 ** 9 }}": "line 1: * would make something too large",
    "{% for i in range(10 ** 9) %}{% endfor %}": "line 1: Range too big",
    "{% include 'x' %}": "line 1: no loader for this environment specified",
    "{{ strftime_now('%Y') }}": "line 1: 'strftime_now' is undefined",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}": "line 1: maximum recursion depth",
}


@pytest.mark.parametrize("template", ERRORS)
def test_a_template_that_fails_is_one_line_that_says_where(
    tiny: Tiny, probe: OpenProbe, template: str
) -> None:
    model = opened(tiny, probe, template)
    name = re.escape(model.model.info.name)
    begins = f"^the chat template of {name} cannot be rendered \\({re.escape(ERRORS[template])}"
    with pytest.raises(ModelError, match=begins) as raised:
        tokenize_items(model, "", [item("12")], TURNS)
    said = str(raised.value)
    assert said.endswith("): run without --chat")
    assert said.isprintable()
    assert len(said) < 300
    with pytest.raises(ModelError, match=begins):
        tokenize_prompts(model, "", [item("12")], ())


@pytest.mark.parametrize(
    "template",
    [
        "nothing",
        "{{ messages[-1].content }}",
        "{{ messages[0].content }}" + ALL_SAY,
        "{% for m in messages | reverse %}" + SAYS + "{% endfor %}",
        "{% for m in messages %}{{ m.content | tojson | length }}{% endfor %}",
    ],
)
def test_a_template_that_loses_a_message_is_refused(
    tiny: Tiny, probe: OpenProbe, template: str
) -> None:
    model = opened(tiny, probe, template)
    said = r"^the chat template of \S+ drops, repeats or moves a message: run without --chat$"
    for turns in (SHOT, TURNS):
        with pytest.raises(ModelError, match=said):
            tokenize_items(model, "", [item("12")], turns)


def test_a_model_without_a_template_is_refused(tiny: Tiny, probe: OpenProbe) -> None:
    model = probe(tiny())
    assert model.model.chat_template is None
    with pytest.raises(ModelError, match=r"^\S+ has no chat template: run without --chat$"):
        tokenize_items(model, "", [item("12")], TURNS)


def test_marks_stay_clear_of_the_template_s_own_letters() -> None:
    used = "".join(map(chr, range(0xE000, 0xF8FF)))
    before, between, after = ChatTemplate(used + ALL_SAY, "m", "\uf8ff", "").layout(["user", "x"])
    assert before == f"{used}<user:"
    assert (between, after) == ("><x:", ">")


def test_messages_may_hold_the_letters_that_stand_for_messages(
    tiny: Tiny, probe: OpenProbe
) -> None:
    text, model = "\ue001\ue000\ue002", opened(tiny, probe, ALL_SAY)
    (prompt,) = tokenize_prompts(model, "", [item(text)], (Turn("user", text), SHOT[1]))
    expected = f"<user:{text}><assistant:{SHOT[1].text}><user:{text}>"
    assert list(prompt) == model.model.tokenize(expected)


LEADS: Final = {
    "a space of its own": (
        "{% for m in messages %}{% if m.role == 'user' %}[I] {{ m.content }} [/I]"
        "{% else %} {{ m.content }} <e>{% endif %}{% endfor %}"
    ),
    "the prompt says it all": (
        "{% for m in messages %}<{{ m.role }}>\n{{ m.content }}<e>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>\n\n{% endif %}"
    ),
    "a thought first": (
        "{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}"
        "{% if add_generation_prompt %}assistant:<think>{% endif %}"
    ),
    "ends with the user": (
        "{% if messages[-1].role != 'user' %}{{ raise_exception('no') }}{% endif %}"
        "{% for m in messages %}{{ m.content }}{% endfor %}"
    ),
}


@pytest.mark.parametrize("case", LEADS)
def test_an_answer_gets_the_white_space_that_the_template_writes_before_it(
    tiny: Tiny, probe: OpenProbe, case: str
) -> None:
    model = opened(tiny, probe, LEADS[case])
    lead = " " if case == "a space of its own" else ""
    prompt = Chat(model.model, ()).prompt("q", "12?")
    assert prompt.lead == lead
    asked = tokenize_items(model, "", [Item("q", "12?", (" 12", " 13"), (0,), 0)], ())
    (alone,) = tokenize_prompts(model, "", [item("12?")], ())
    text = prompt.text + lead
    assert asked.items[0].sequences[0] == (*prompt.closed, *model.model.tokenize(text + "12"))
    assert alone == prompt.tokens(model.model)  # what the model goes on from ends without it

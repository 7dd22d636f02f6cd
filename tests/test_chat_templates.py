"""Chat templates: what they are offered, which are refused, and what becomes of messages."""

import re
from typing import Final

import pytest
from chatstyles import QUESTION, SHOT, SYSTEM, TURNS, Tiny, item, opened, prompt_of
from conftest import OpenProbe
from jinja2 import UndefinedError

from llprobe.engine.chat import Chat
from llprobe.engine.chattemplate import ChatTemplate, fold_system
from llprobe.engine.tokens import tokenize_items, tokenize_prompts
from llprobe.errors import ModelError, RunError
from llprobe.task import Item, Turn
from llprobe.task.sandbox import environment


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


def test_a_template_without_an_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLPROBE_READ_SECONDS", "1")
    loops = "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}"
    with pytest.raises(RunError, match=r"the chat template of m \(run without --chat\): stopped"):
        ChatTemplate(loops + ALL_SAY, "m", "", "").layout(["user"])


def test_a_template_that_makes_a_giant_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLPROBE_READ_MB", "400")
    doubling = "{% set n = namespace(t='ab') %}{% for i in range(48) %}{% set n.t = n.t ~ n.t %}"
    with pytest.raises(ModelError, match="the chat template of m cannot be rendered"):
        ChatTemplate(doubling + "{% endfor %}" + ALL_SAY, "m", "", "").layout(["user"])

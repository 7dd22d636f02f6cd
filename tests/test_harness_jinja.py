"""Jinja of a task file that tries to reach Python, or to fill the machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harnessyaml import HEAD, JINJA, Ask, asker, json_lines

from llprobe.errors import TaskError


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    return asker(tmp_path)


ATTACKS = {
    "class": ("{{ ''.__class__ }}", "__class__.*unsafe"),
    "walk": ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe"),
    "attr": ("{{ '' | attr('__class__') }}", "unsafe"),
    "format": ("{{ '{0.__class__}'.format(1) }}", "unsafe"),
    "globals": ("{{ cycler.__init__.__globals__.os }}", "unsafe"),
    "item": ("{{ stem['__class__'].__mro__ }}", "unsafe|undefined|no attribute|has no"),
    "self": ("{{ self.__init__ }}", "unsafe"),
    "change": ("{{ options.append(1) }}", "unsafe"),
    "range": ("{{ range(10**9) | list }}", "Range too big"),
    "product": ("{{ 'a' * 10**10 }}", "too large"),
    "list": ("{{ 10**9 * [1] }}", "too large"),
    "power": ("{{ 2 ** (10**9) }}", "too large"),
    "pad": ("{{ 'x'.ljust(10**10) }}", "too large"),
    "center": ("{{ 'x' | center(10**10) }}", "too large"),
    "width": ("{{ '%9999999999d' % 1 }}", "too large"),
    "taken width": ("{{ '%*d' % (10**10, 1) }}", "too large"),
    "new format": ("{{ '{:{w}}'.format(1, w=10**10) }}", "too large"),
    "format filter": ("{{ '%9999999999s' | format(1) }}", "too large"),
    "file": ("{% include '/etc/passwd' %}", "no loader"),
    "import": ("{% import 'os' as os %}", "no loader"),
    "extends": ("{% extends 'x' %}", "no loader"),
    "chance": ("{{ range(9) | random }}", "No filter named 'random'"),
    "lorem": ("{{ lipsum() }}", "'lipsum' is undefined"),
    "open": ("{{ open('/etc/passwd') }}", "'open' is undefined"),
}


@pytest.mark.parametrize("case", ATTACKS)
@pytest.mark.parametrize("key", ["doc_to_text", "doc_to_choice", "doc_to_target", "description"])
def test_jinja_reaches_neither_python_nor_the_disk(ask: Ask, key: str, case: str) -> None:
    template, said = ATTACKS[case]
    keys = {"doc_to_text": "{{stem}}", "doc_to_choice": "{{options}}", "doc_to_target": "label"}
    head = HEAD[: HEAD.index("doc_to_text")]
    text = head + "".join(f"{k}: {json.dumps(v)}\n" for k, v in (keys | {key: template}).items())
    rows = [{"stem": "x", "options": ["a", "b"], "label": 0}]
    said = f"{said}|'(stem|options)' is undefined"  # a description is rendered without a row
    with pytest.raises(TaskError, match=rf"{key}.*({said})") as caught:
        ask(text, **{"test.jsonl": json_lines(rows)})
    assert "\n" not in str(caught.value)


def test_ordinary_arithmetic_and_formats_are_allowed(ask: Ask) -> None:
    template = "{{ 7 * 6 }} {{ 2**10 }} {{ '%d of 5000000' % 7000000 }} {{ '{:>3}'.format('a') }}"
    got = ask(JINJA.replace("Sentence: {{stem}}", template + " {{ '%03d' | format(5) }}"))
    assert got.items[0].prompt == "42 1024 7000000 of 5000000   a 005"


def test_a_file_of_nested_aliases_is_refused(ask: Ask) -> None:
    bomb = "metadata:\n  a0: &a0 [x, x]\n"
    bomb += "".join(f"  a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    text = JINJA.replace("doc_to_target: label", "doc_to_target: *a39")
    with pytest.raises(TaskError, match=r"doc_to_target: must be a text, not \[\[\["):
        ask(bomb + text)

"""Chat templates in the styles of known models, a conversation, and models that open with one.

The rendered texts are written out by hand.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from conftest import OpenProbe

from llprobe.engine.probe import Probe
from llprobe.engine.tokens import tokenize_prompts
from llprobe.task import Item, Turn

__all__ = [
    "BOTH",
    "CHATML",
    "QUESTION",
    "SHOT",
    "STYLES",
    "SYSTEM",
    "TURNS",
    "Style",
    "Tiny",
    "item",
    "opened",
    "prompt_of",
    "text_of",
]

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
    """Name texts that are one control token each."""
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


def item(prompt: str, *choices: str, name: str = "q1") -> Item:
    """Give a question, of two options unless others are given."""
    return Item(name, prompt, choices or (" the", " in"), (0,), 0)


def text_of(probe: Probe, tokens: Sequence[int]) -> str:
    """Spell tokens out, control tokens too."""
    return "".join(probe.model.token_text(token) for token in tokens)


def opened(tiny: Tiny, probe: OpenProbe, template: str, **options: Any) -> Probe:
    """Open a tiny model with that template."""
    return probe(tiny(chat_template=template, **options))


def prompt_of(probe: Probe, turns: tuple[Turn, ...] = TURNS, text: str = QUESTION) -> str:
    """Spell out what a question becomes after those turns."""
    return text_of(probe, tokenize_prompts(probe, "", [item(text)], turns)[0])

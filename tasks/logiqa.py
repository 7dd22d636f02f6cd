"""Reader of LogiQA: the fields that the hub's copies have, or the text form of its authors.

Fields: context, query, options, correct_option (an index); or question and label (a letter); or,
as in LogiQA 2, text, question and answer.

The text form has eight lines a question: a blank one, the answer's letter, the passage, the
question and four options that begin with `A.` to `D.`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llprobe.task import Row, file_form, read_text, rows

from .indices import answer_index

__all__ = ["read"]

_LETTERS = "abcd"
_LETTERED = re.compile(r"^\s*[A-D]\s*[.:)]\s*")
_LINES = 7
"""Lines of a question in the text form, without the blank one."""
_NAMES = (("context", "text"), ("query", "question"), ("correct_option", "label", "answer"))


def read(path: str) -> Iterator[Row]:
    """Yield rows with context, question, choices and answer (an index)."""
    text_form = file_form(path) in {"csv", "tsv"}
    for row in _text_rows(path) if text_form else rows(path):
        context, query, answer = (_present(row, names) for names in _NAMES)
        choices = [option.strip() for option in row.texts("options")]
        yield row.having(
            context=row.text(context).strip(),
            question=row.text(query).strip(),
            choices=choices,
            answer=_answer(row, answer, len(choices)),
        )


def _present(row: Row, names: tuple[str, ...]) -> str:
    """Return the one of `names` that the row has, the first where it has none."""
    return next((name for name in names if name in row.fields), names[0])


def _answer(row: Row, key: str, count: int) -> int:
    value = row.value(key)
    if isinstance(value, str) and value and value.lower() in _LETTERS:
        return answer_index(row.having(**{key: _LETTERS.index(value.lower())}), key, count)
    return answer_index(row, key, count)


def _text_rows(path: str) -> Iterator[Row]:
    lines = enumerate(read_text(path).split("\n"), start=1)
    filled = [(line, text.strip()) for line, text in lines if text.strip()]
    for number, start in enumerate(range(0, len(filled), _LINES)):
        yield _text_row(path, number, filled[start : start + _LINES])


def _text_row(path: str, number: int, lines: list[tuple[int, str]]) -> Row:
    row = Row(number, f"{path}, line {lines[0][0]}", {})
    letter, *texts = (text for _, text in lines)
    if len(letter) != 1 or letter.lower() not in _LETTERS:
        raise row.error(f"the answer's letter, a to d, is expected here, not {letter[:40]!r}")
    if len(lines) != _LINES:
        raise row.error(f"the last question has {len(lines)} lines, {_LINES} are needed")
    return row.having(
        context=texts[0],
        query=texts[1],
        options=[_LETTERED.sub("", text) for text in texts[2:]],
        correct_option=letter,
    )

"""Reader of the paper's math word problem files: JSON Lines of question, truth_answer, error.

Serves MPS-Cal, MPS-Rea and their translations, which differ in content alone. As in the paper,
line breaks become spaces and `####` becomes `The answer is`; the first true solution is the best.
"""

from __future__ import annotations

from collections.abc import Iterator

from llprobe.task import Row, json_lines

__all__ = ["read"]


def read(path: str) -> Iterator[Row]:
    """Yield rows with question, choices (true ones first), correct and answer."""
    for row in json_lines(path):
        true, false = _solutions(row, "truth_answer"), _solutions(row, "error")
        yield row.having(
            question=_one_line(row.text("question")),
            choices=true + false,
            correct=list(range(len(true))),
            answer=true[0] if true else "",
        )


def _solutions(row: Row, key: str) -> list[str]:
    """Return one solution or several, as lines of text."""
    value = row.value(key)
    texts = [value] if isinstance(value, str) else row.texts(key)
    return [_one_line(text).replace("####", "The answer is") for text in texts if text.strip()]


def _one_line(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", " ")

"""What a terminal would obey, made visible: texts of models, data, tasks and hubs are strangers'.

The command line's streams, the logs, Markdown and the interface each let their text through here,
once, where it leaves the program. What is data for a program (JSON, CSV, Parquet) stays exact.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["LONGEST_LINE", "has_half_characters", "one_line", "printable"]

LONGEST_LINE: Final = 500
"""Characters of the longest line that says what is wrong."""
_KEPT_END: Final = 200
# C0 but tab and line feed; DEL and C1; marks that turn the direction of writing; half characters
_OBEYED: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_HALF: Final = re.compile("[\ud800-\udfff]")
_REPLACEMENT: Final = "\ufffd"


def has_half_characters(text: str) -> bool:
    """Whether a text holds surrogates, halves of characters that no file in UTF-8 can hold."""
    return _HALF.search(text) is not None


def printable(text: str) -> str:
    """Return a text with U+FFFD in place of each character that a terminal would obey.

    Line feeds and tabs stay. The length is that of `text`.
    """
    return _OBEYED.sub(_REPLACEMENT, text)


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """Return a text as one printable line of at most `longest` characters.

    What is too long is cut in the middle: it begins with what is wrong and ends with what to do.
    """
    line = printable(" ".join(text.split()))
    if len(line) <= longest:
        return line
    end = min(_KEPT_END, longest // 3)
    return f"{line[: longest - end - 3]}...{line[-end:]}"

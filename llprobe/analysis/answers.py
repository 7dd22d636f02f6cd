"""Whether a written answer is right: by its words, or by the number it ends in.

    exact("The Eiffel Tower.", ["eiffel tower"])          True
    numeric("3 x 4 = 12, so $12.00.", ["12"])             True

This module knows texts. It does not know models, tokens or where the answers come from.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

__all__ = ["exact", "normalised", "numeric"]

# --- words ------------------------------------------------------------------------------------

_ARTICLES: Final = frozenset({"a", "an", "the"})
# Quotation marks, dashes and slashes that mean what the typewriter's do.
_PLAIN: Final = str.maketrans(
    dict.fromkeys("\u2018\u2019\u02bc", "'")
    | dict.fromkeys("\u201c\u201d", '"')
    | dict.fromkeys("\u2010\u2013\u2212", "-")
    | dict.fromkeys("\u2044\u2215", "/")
)
_CURRENCY: Final = "[$\u20ac\u00a3\u00a5\u20b9\u0e3f]"
_AMOUNT: Final = re.compile(rf"{_CURRENCY}?\d")
# NFKC would make 102 of 10 squared, and 31/2 of three and a half.
_RAISED: Final = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u207b]+")
_FRACTION: Final = re.compile("(?<=\\d)(?=[\u00bc-\u00be\u2150-\u215f\u2189])")
# A sign, a point or both that belong to the number after them, at the end of a row of marks.
_SIGN: Final = re.compile(r"(?:^|[^-.])(-?\.|-)$")


def normalised(text: str) -> str:
    """Give `text` without what does not change an answer; twice is as once.

    Case is folded, characters are brought to Unicode's NFKC, quotation marks, dashes and digits
    to ASCII's, white space is collapsed. As in SQuAD (arXiv 1606.05250, section 6.1) punctuation
    and the articles a, an, the are left out; unlike there, punctuation only around the text, and
    an article only before another word, so that "3.5", "-4", "10%" and the answer "A" stay.
    """
    before = None
    while text != before:
        before = text
        text = _trimmed(_without_articles(_trimmed(_folded(text))))
    return text


def exact(text: str, accepted: Sequence[str]) -> bool:
    """Whether `text` is one of the accepted answers, both normalised; an empty text is not.

    Where nothing but punctuation is there, it is compared as it is.
    """
    key = _key(text)
    return bool(key) and key in {_key(answer) for answer in accepted}


def _key(text: str) -> str:
    return normalised(text) or text.strip()


def _folded(text: str) -> str:
    """Fold case and compatible characters, so that numbers stay the numbers they are."""
    marked = _FRACTION.sub(" ", _RAISED.sub(lambda found: "^" + found[0], text))
    folded = unicodedata.normalize("NFKC", marked).casefold()
    plain = unicodedata.normalize("NFKC", folded).translate(_PLAIN)
    return re.sub(r"\d", lambda digit: str(int(digit[0])), plain)


def _without_articles(text: str) -> str:
    """Leave out articles before other words, and all white space but a space between words."""
    words = text.split()
    pairs = zip(words, [*words, ""][1:], strict=True)
    return " ".join(word for word, after in pairs if word not in _ARTICLES or not _speaks(after))


def _speaks(text: str) -> bool:
    """Whether a letter or a digit is in it."""
    return any(character.isalnum() for character in text)


def _trimmed(text: str) -> str:
    """Leave out white space and punctuation around a text, but for what a number needs."""
    start, end = 0, len(text)
    while start < end and _is_mark(text[start]):
        start += 1
    while end > start and _is_mark(text[end - 1]) and not _is_percent(text[start:end]):
        end -= 1
    sign = _SIGN.search(text[:start]) if _AMOUNT.match(text, start) else None
    return (sign[1] if sign else "") + text[start:end]


def _is_mark(character: str) -> bool:
    return character.isspace() or unicodedata.category(character).startswith("P")


def _is_percent(text: str) -> bool:
    return text.endswith("%") and text[:-1].rstrip()[-1:].isdigit()


# --- numbers ----------------------------------------------------------------------------------

# What may stand between two digits of one figure: 1,234.5 and 1e5, but also 12/05/2020 and 3-4.
_JOINT: Final = r"[-.,:/*+x~\u00b1\u00b7\u00d7\u00f7\u2014\u22c5\u301c]|\^-?|e[-+]?"
_FIGURE: Final = re.compile(
    rf"(?:(?P<sign>-)(?P<currency>{_CURRENCY})?)?"
    rf"(?P<digits>(?:\d|(?<![\w.])\.\d)(?:(?:{_JOINT})?\d)*)"
)
_THOUSANDS: Final = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_POINTED: Final = re.compile(r"[1-9]\d{0,2}(?:(?:\.\d{3})+,\d+|(?:\.\d{3}){2,})")
_COMMA: Final = re.compile(r"\d+,\d+")
_DECIMAL: Final = re.compile(r"(?:\d+(?:\.\d+)?|\.\d+)(?:e[-+]?\d{1,3})?")
# Thousands set apart by spaces; ordinary ones could also part two numbers, as in "100 200".
_FIXED: Final = "[\u00a0\u2009\u202f]"
_FIXED_SPACES: Final = re.compile(
    rf"(?<![\d.,])(?<!\d{_FIXED})[1-9]\d{{0,2}}(?:{_FIXED}\d{{3}})+(?!\d|{_FIXED}\d)"
)
_SPACES: Final = re.compile(r"(?<![\d.,])(?<!\d )[1-9]\d?(?: \d{3})+(?!\d| \d)")
_PHRASE: Final = re.compile(r"the\s+answer\s+is")


def numeric(text: str, accepted: Sequence[str]) -> bool | None:
    """Whether `text` ends in the same number as an accepted answer; None where none holds one.

    A text's number is the last one in it, or the one right after the last "the answer is" that
    has one there. Values are compared as exact decimals: 3.50 is 3.5. Read are 1,234.5 and
    1 234.5 (an ordinary space only after one or two digits), 1.234,5 and 1,5 (one comma, unless
    three digits follow, is a decimal one), 1e5, signs, amounts of money, percentages (10% is 10),
    and of a list such as 1,2,3 the last element. Figures joined in other ways equal nothing:
    fractions, ranges, dates, times, products. Digits of a name (x2, CO2, covid-19) and raised
    ones are not looked at.
    """
    known = [value for value in map(_value, accepted) if value is not None]
    return _value(text) in known if known else None


def _value(text: str) -> Decimal | None:
    """Give the number that a text ends in, None where there is none or it cannot be read."""
    plain = _with_joined_thousands(text)
    figures = [figure for figure in _FIGURE.finditer(plain) if not _in_name(figure)]
    for phrase in reversed(list(_PHRASE.finditer(plain))):
        after = next((figure for figure in figures if figure.start() >= phrase.end()), None)
        if after and not _speaks(plain[phrase.end() : after.start()]):
            return _read(after)
    return _read(figures[-1]) if figures else None


def _with_joined_thousands(text: str) -> str:
    """Fold a text and take out the spaces between a number's thousands."""
    # a full-width comma parts clauses, never digits
    clauses = text.replace("\uff0c", ", ")
    fixed = _FIXED_SPACES.sub(lambda found: re.sub(_FIXED, "", found[0]), clauses)
    return _SPACES.sub(lambda found: found[0].replace(" ", ""), _folded(fixed))


def _before(figure: re.Match[str]) -> str:
    """Give the character before a figure and its sign, empty at the beginning of the text."""
    return figure.string[max(figure.start() - 1, 0) : figure.start()]


def _is_cased(character: str) -> bool:
    """Whether it is a letter of a script that sets words apart; 5 after the others is a number."""
    return character.upper() != character.lower()


def _in_name(figure: re.Match[str]) -> bool:
    """Whether the digits belong to a name, or to a power of what stands before them."""
    start = figure.start()
    # x_5 is a name, _5_ an emphasis
    before = figure.string[max(start - 4, 0) : start].rstrip("_")[-1:]
    return not figure["currency"] and (before == "^" or _is_cased(before))


def _read(figure: re.Match[str]) -> Decimal | None:
    value = _decimal(figure["digits"])
    if value is None:
        _, comma, last = figure["digits"].rpartition(",")
        return _decimal(last) if comma else None
    return value.copy_negate() if figure["sign"] and _is_minus(_before(figure)) else value


def _is_minus(before: str) -> bool:
    """Whether a dash after this character is a sign, not one between two things."""
    return not (before.isdigit() or _is_cased(before) or before in {")", "]", "%", "-"})


def _decimal(digits: str) -> Decimal | None:
    """Read one number without its sign, None where these digits are something else."""
    if _THOUSANDS.fullmatch(digits):
        return Decimal(digits.replace(",", ""))
    if _POINTED.fullmatch(digits):
        return Decimal(digits.replace(".", "").replace(",", "."))
    if _COMMA.fullmatch(digits):
        return Decimal(digits.replace(",", "."))
    return Decimal(digits) if _DECIMAL.fullmatch(digits) else None

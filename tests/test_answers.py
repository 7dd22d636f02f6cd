"""Whether written answers are right: by hand, against plain definitions, and on any text at all."""

import re
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llprobe.analysis.answers import exact, normalised, numeric

# Texts as a model may write them: words, numbers, and what both are joined with.
PIECES = [*" \n.,-$%/:'\"()^_*=", "the ", "a ", "12", "3", "007", "x", "\u00b2", "\u2212", "\u00bd"]
written = st.one_of(st.text(max_size=12), st.lists(st.sampled_from(PIECES)).map("".join))
decimals = st.decimals(-(10**9), 10**9, places=3)


# --- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" \n\t", ""),
        ("...", ""),
        (" Paris", "paris"),
        ("Paris.", "paris"),
        ('"Paris"!', "paris"),
        ("\u201cParis\u201d", "paris"),
        ("**Paris**", "paris"),
        ("The  Eiffel\n tower", "eiffel tower"),
        ("the man and a dog", "man and dog"),
        ("another theatre", "another theatre"),
        ("STRASSE", normalised("Stra\u00dfe")),
        ("\uff30\uff21\uff32\uff29\uff33", "paris"),  # full width
        ("\ufb01sh", "fish"),  # a ligature
        ("cafe\u0301", "caf\u00e9"),
        ("It\u2019s", "it's"),
        ("H\u2082O", "h2o"),
        ("A", "a"),
        ("the", "the"),
        ("vitamin A", "vitamin a"),
        ('the "A"', "a"),
        ("Paris, France", "paris, france"),
        ("C++", "c++"),
        ("\u00bfMadrid?", "madrid"),
        ("\u300c\u5317\u4eac\u300d\u3002", "\u5317\u4eac"),
        # numbers stay what they are
        ("3.5", "3.5"),
        ("3.5.", "3.5"),
        ("-4", "-4"),
        ("(-4)", "-4"),
        ("\u22124", "-4"),
        ("\u20134", "-4"),
        ("-$5", "-$5"),
        (".5", ".5"),
        ("-.5", "-.5"),
        ("...5", "5"),
        ("- 4", "4"),
        ("--4", "4"),
        ("1,234", "1,234"),
        ("1,234,", "1,234"),
        ("10%", "10%"),
        ("10 %.", "10 %"),
        ("%", ""),
        ("$5", "$5"),
        ("10\u00b2", "10^2"),
        ("10\u207b\u00b2", "10^-2"),
        ("3\u00bd", "3 1/2"),
        ("\u0e51\u0e52", "12"),
        ("2020-05-12", "2020-05-12"),
        ("the -4", "-4"),
    ],
)
def test_what_is_left_of_a_text(text: str, expected: str) -> None:
    assert normalised(text) == expected


@given(written)
@example('the "a"')
@example("the 'a b'")
@example("a\u0345\u1f80")
@example("\u00b2\u00bd")
def test_normalising_twice_is_as_once(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


@given(written, st.sampled_from(["", " ", "\n", "!", "?!", "\u3002", '"', " ; "]))
def test_marks_after_a_text_do_not_matter(text: str, marks: str) -> None:
    assert normalised(text + marks) == normalised(text)


@given(st.text("abcdefgh 0123456789", max_size=12))
def test_case_white_space_and_articles_do_not_matter(text: str) -> None:
    plain = normalised(text)
    assert normalised(text.upper()) == plain
    assert normalised(f"\n {text.replace(' ', '   ')} ") == plain
    if plain:
        assert normalised(f"The {text}") == plain


@given(decimals)
def test_no_number_is_lost(value: Decimal) -> None:
    for text in (f"{value:f}", f"{value:,}", f"${value:f}", f"{value:f}%"):
        assert normalised(text) == text
        assert normalised(f" ({text}).") == text


@pytest.mark.parametrize(
    ("text", "accepted", "right"),
    [
        (" Rome.", [" Rome"], True),
        ("The Netherlands", ["Holland", " the netherlands"], True),
        ("Rome, Italy", ["Rome"], False),
        ("", [""], False),
        ("", ["A"], False),
        ("...", ["A"], False),
        ("the", ["A"], False),
        ("a", ["A"], True),
        ("4", ["-4"], False),
        ("\u22124.", ["-4"], True),
        ("35", ["3.5"], False),
        ("10", ["10%"], False),
        ("102", ["10\u00b2"], False),
        (";", ["."], False),
        (" . ", ["."], True),
        ("", ["."], False),
        ("Rome", [], False),
    ],
)
def test_exact_answers(text: str, accepted: list[str], right: bool) -> None:
    assert exact(text, accepted) is right


@given(written, st.lists(written, max_size=3))
def test_a_text_is_one_of_the_answers_if_it_is_one(text: str, others: list[str]) -> None:
    assert exact(text, [*others, text]) is bool(text.strip())
    assert exact(text, others) is any(exact(text, [other]) for other in others)
    for other in others:
        assert exact(text, [other]) is exact(other, [text])


# --- numbers ------------------------------------------------------------------------------------

# Texts, and the number that each is read as.
NUMBERS = {
    "5": "5",
    "12.": "12",
    "12.5.": "12.5",
    "3.50": "3.5",
    "007": "7",
    ".5": "0.5",
    "-.5": "-0.5",
    "...5": "5",
    "+5": "5",
    "1e5": "100000",
    "2.5E-3": "0.0025",
    # signs
    "-4": "-4",
    "\u22124": "-4",
    "\u20134": "-4",
    "(-4)": "-4",
    "x=-4": "-4",
    "it is -4.": "-4",
    "--4": "4",
    "- 4": "4",
    "10 - 4": "4",
    "\u7b54\u6848\u662f-4\u3002": "-4",
    # what stands around it
    "10%": "10",
    "10 %.": "10",
    "-2.5%": "-2.5",
    "$5": "5",
    "$ 5.00": "5",
    "-$5": "-5",
    "$-5": "-5",
    "5\u20ac": "5",
    "\u20ac1,234.50.": "1234.5",
    "US$5": "5",
    "$5-$10": "10",
    "$1.50/lb": "1.5",
    "5km": "5",
    "the 3rd": "3",
    "**18**": "18",
    "_18_": "18",
    "#### 18": "18",
    "\\boxed{18}": "18",
    "<<16-3-4=9>>9": "9",
    "16-3-4=9 eggs": "9",
    "12 m\u00b2": "12",
    "12 m^-1": "12",
    "12 m3": "12",
    "5 g of CO2": "5",
    "5 days of covid-19": "5",
    # thousands
    "1,234": "1234",
    "1,234,567.89": "1234567.89",
    "-1,234.": "-1234",
    "1 234": "1234",
    "12 345 678,5": "12345678.5",
    "1\u00a0234": "1234",
    "100\u202f200": "100200",
    "5\u00a0000\u00a0\u20ac": "5000",
    "100 200": "200",
    "1 234 5": "5",
    "7 1 234": "234",
    "1 2345": "2345",
    "1\n234": "234",
    "1.234,56": "1234.56",
    "1.234.567": "1234567",
    "1.234": "1.234",
    "1234,5": "1234.5",
    # a comma between digits
    "1,5": "1.5",
    "0,125": "0.125",
    "1,2,3": "3",
    "1, 2, 3": "3",
    "1,234,5": "5",
    "1,-2": "-2",
    "-1,2,3": "3",
    "\u67095\uff0c3": "3",
    "May 5, 2020": "2020",
    # other scripts
    "\uff13\uff0e\uff15": "3.5",
    "\u51715\u500b": "5",
    "\u0e23\u0e27\u0e21\u0e55\u0e1a\u0e32\u0e17": "5",
    # the phrase
    "The answer is 5. I had 7.": "5",
    "THE ANSWER\nIS: **-6** of 8": "-6",
    "The answer is 5. The answer is $1,200 for 3.": "1200",
    "The answer is 5. The answer is": "5",
    "7. The answer is about 9, not 8": "8",
    "The answer is x2 or 9": "9",
    "5, so the answer is right": "5",
    "3 + 4 = 7. the answer is 7 apples in 2 bags": "7",
}

# Texts in which no number can be read, and numbers that a careless reader would see.
NO_NUMBERS = {
    "": "0",
    " \n": "0",
    "none": "1",
    "-": "0",
    "$": "0",
    "%": "100",
    "x2": "2",
    "x_2": "2",
    "mp3": "3",
    "covid-19": "19",
    "m\u00b2": "2",
    "10\u00b2": "102",
    "10\u207b\u00b2": "2",
    "10^-3": "10",
    "3-4": "4",
    "3\u20134": "-4",
    "3\u20144": "4",
    "1/2": "2",
    "\u00bd": "2",
    "3 1/2": "3",
    "3\u00bd": "3",
    "31\u00bd": "31",
    "12/05/2020": "2020",
    "2020-05-12": "12",
    "12.05.2020": "2020",
    "1.2.3": "3",
    "12:30": "30",
    "2*3": "3",
    "2x3": "3",
    "2\u00d73": "3",
    "2+3": "3",
    "0x10": "10",
    "1e9999": "1",
    "The answer is 1/2 of 10": "10",
    "I had 10, and half is 5/10": "10",
}


@pytest.mark.parametrize(("text", "value"), NUMBERS.items())
def test_a_text_s_number(text: str, value: str) -> None:
    assert numeric(text, [value]) is True
    assert numeric(text, ["-99", value]) is True
    assert numeric(text, ["-99", "98", "n/a"]) is False
    assert numeric(value, [text]) is True, "accepted answers are read alike"


@pytest.mark.parametrize(("text", "tempting"), NO_NUMBERS.items())
def test_no_number_is_made_of_what_is_none(text: str, tempting: str) -> None:
    assert numeric(text, [tempting]) is False
    assert numeric(tempting, [text]) is None
    assert numeric(text, [text]) is None
    assert numeric(text, []) is None


@pytest.mark.parametrize(
    ("text", "accepted", "right"),
    [
        ("5", ["4", "5"], True),
        ("5", ["Rome", "5"], True),
        ("Rome", ["Rome", "5"], False),
        ("5", ["1/2"], None),
        ("10%", ["0.1"], False),
        ("0.3", ["0.30000000000000004"], False),
        ("12345678901234567890123456789012345.5", ["12345678901234567890123456789012345.6"], False),
        (
            "-12345678901234567890123456789012345.5",
            ["-12345678901234567890123456789012345.50"],
            True,
        ),
        ("-0", ["0"], True),
        (
            "18",
            ["She sells 16 - 7 = 9 for $2 each. The answer is 18 dollars a day for 7 days"],
            True,
        ),
    ],
)
def test_numeric_answers(text: str, accepted: list[str], right: bool | None) -> None:
    assert numeric(text, accepted) is right


@given(decimals, decimals)
def test_numbers_are_equal_as_decimals_are(a: Decimal, b: Decimal) -> None:
    assert numeric(f"{a:f}", [f"{b:f}"]) is (a == b)
    assert numeric(f"{a:f}", [f"{a:f}000"]) is True


@given(
    value=decimals,
    style=st.sampled_from(["{:f}", "{:,}", "{:f}%", "${:,}", "**{:f}**", "({:f})", "x = {:,}"]),
    before=st.sampled_from(["", "So 7 of 9 are ", "1, 2, ", "a\n", "12:30 - 13:30: ", "\u662f"]),
    after=st.sampled_from(["", ".", " apples.", "\n", "!", ", or so", "\u3002", ".\n\nQ: "]),
)
def test_the_last_number_is_found_in_any_text(
    value: Decimal, style: str, before: str, after: str
) -> None:
    assert numeric(before + style.format(value) + after, [str(value)]) is True


@given(
    value=decimals,
    phrase=st.sampled_from(
        ["the answer is ", "The answer is: ", "THE ANSWER IS\n$", "The answer is **"]
    ),
    before=st.sampled_from(["", "1 + 1 = 2. ", "The answer is 5. No: "]),
    after=st.sampled_from(["", " of 8 in 9", ".\n\n3", " (1/2)"]),
)
def test_the_number_after_the_last_phrase_is_taken(
    value: Decimal, phrase: str, before: str, after: str
) -> None:
    assert numeric(f"{before}{phrase}{value:f}{after}", [str(value)]) is True


@given(written, written)
@example("1" * 200, "-" + "1" * 200)
@example("1,234" * 50, ".5" * 50)
@example("\u0661\u066b", "\u2460")
def test_any_text_has_a_number_or_none(text: str, other: str) -> None:
    holds = numeric(text, [text])
    assert holds in {True, None}
    assert holds is None or re.search(r"\d", text) or not text.isascii()
    right = numeric(text, [other])
    assert (right is None) is (numeric(other, [other]) is None)
    if right:
        assert holds
        assert numeric(other, [text]) is True


@given(written)
def test_white_space_around_a_text_changes_no_number(text: str) -> None:
    if numeric(text, [text]):
        assert numeric(f" \n{text}\n", [text]) is True

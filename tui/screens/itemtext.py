"""The text of an item's page: its options, then its prompt, perhaps cut where its tokens end.

Tokens stand between bars and take turns in being underlined, so that their ends are seen without
colours. This module knows texts and tokens. It does not know widgets, nor where tokens come from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.text import Text

from llprobe.analysis.measures import probability
from llprobe.page.data import ItemText
from llprobe.report.itemtokens import StoredTokens

from ..itemtable import printable
from .run.book import Book

__all__ = ["item_text", "mark", "token_text"]

_BAR: Final = "│"
_BROKEN: Final = "⏎"
_SIGNS: Final = {"\t": "⇥", "\r": "␍", " ": "␣"}
"""What white space looks like in a token of its own."""

Tokens = Sequence[tuple[int, str]]
"""(id, text) of each token."""


def item_text(book: Book, at: int, *, whole: bool, tokens: StoredTokens | None = None) -> Text:
    """Return the options, then the prompt: what must be seen stands first.

    `whole`: with what all prompts of the task begin with.
    """
    if tokens is None:
        parts = [*_options(book, at), Text(), _heading("Prompt"), *_prompt(book, at, whole=whole)]
    else:
        parts = [*_options(book, at, tokens), Text(), *_in_tokens(tokens, whole=whole)]
    return Text("\n").join(parts)


def _heading(text: str) -> Text:
    return Text(text, "bold underline")


def mark(item: ItemText, option: int) -> str:
    """Return what marks an option: `*` the answer, `+` also true."""
    if option == item.best:
        return "*"
    return "+" if option in item.correct else " "


def _options(book: Book, at: int, tokens: StoredTokens | None = None) -> Iterator[Text]:
    """Say each option with its log-prob, tokens and probability at the last layer."""
    item, table = book.items[at], book.table.take([at])
    shares, logprob = probability(table)[:, -1], table.logprob[:, -1]
    yield Text("  share log-prob tok  option", "bold")
    for n, text in enumerate(item.choices):
        style = "bold" if n in item.correct else ""
        figures = f"{100 * shares[n]:5.1f} {logprob[n]:8.2f} {table.n_tokens[n]:3d}"
        line = Text(f"{mark(item, n)} {figures}  ", style)
        said = Text(json.dumps(text, ensure_ascii=False), style)
        yield line + (said if tokens is None else _scored(tokens, n))
    yield Text("* the answer, + also true; share in % and log-prob at the last layer", "dim")


def _scored(tokens: StoredTokens, option: int) -> Text:
    """Return the tokens of an option that are scored."""
    found = tokens.tokens
    return token_text(found.options[option][found.start :], tokens.special)


def _prompt(book: Book, at: int, *, whole: bool) -> Iterator[Text]:
    if whole:
        yield Text(printable(book.preamble), "dim")
    elif "\n\n" in book.preamble:
        note = f"{len(book.preamble):,} characters of worked examples or instructions stand before"
        yield Text(f"({note} it: w shows them)", "dim")
    yield Text(printable(book.items[at].prompt))


def _in_tokens(tokens: StoredTokens, *, whole: bool) -> Iterator[Text]:
    """Say the prompt in tokens; those that all options share are what is not scored."""
    found = tokens.tokens
    shared, before = found.options[0][: found.start], 0 if whole else tokens.before
    yield _heading(f"Prompt: {found.start:,} tokens before the options")
    if before:
        note = f"{before:,} of them are worked examples or instructions"
        yield Text(f"({note}: w shows them)", "dim")
    yield token_text(shared[before:], tokens.special)
    yield Text(
        f"{_BAR} between tokens, «» special, {_BROKEN} a line break, ␣ a space by itself; "
        "\ufffd a part of a character",
        "dim",
    )


def token_text(tokens: Tokens, special: Iterable[int] = ()) -> Text:
    """Return tokens with bars between them, every other one underlined, special ones in «»."""
    marked, text = frozenset(special), Text().append(_BAR, "dim")
    for n, (number, said) in enumerate(tokens):
        known = number in marked
        style = "bold reverse" if known else "underline" if n % 2 else ""
        text.append(f"«{printable(said)}»" if known else _visible(said), style)
        text.append(_BAR, "dim")
    return text


def _visible(text: str) -> str:
    """Return a token's text; white space by itself is seen, and a line break is also made."""
    if text and not text.strip():
        text = "".join(_SIGNS.get(c, c) for c in text)
    return printable(text.replace("\n", f"{_BROKEN}\n"))

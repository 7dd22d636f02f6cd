"""Groups of people and things that may overlap: the vocabulary of all, some and none.

No group contains or excludes another by the meaning of its name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..draw import Draw

__all__ = ["REALMS", "Realm"]


@dataclass(frozen=True, slots=True)
class Realm:
    """A place and groups found there, six to begin with."""

    intro: str
    """The words with which a passage about it may begin."""
    kinds: tuple[tuple[str, str], ...]
    """Singular and plural of each group's name."""

    def some(self, draw: Draw, count: int) -> Realm:
        """Return a copy with `count` of the groups, in random order."""
        return replace(self, kinds=tuple(draw.some(self.kinds, count)))

    def one(self, kind: int) -> str:
        """Return a member of group `kind`, counted from 0, with its article."""
        name = self.kinds[kind][0]
        return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _realm(intro: str, *kinds: str) -> Realm:
    """Read groups such as `baker / bakers`; without a slash the plural takes an s."""
    pairs = [(kind.split(" / ") * 2 if " / " in kind else [kind, f"{kind}s"])[:2] for kind in kinds]
    return Realm(intro, tuple((single, plural) for single, plural in pairs))


REALMS = (
    _realm(
        "A survey was made of the people who live in the village of Lorn.",
        "baker", "cyclist", "beekeeper", "choir singer", "goat owner", "chess player",
    ),
    _realm(
        "Someone has gone through everything that is stored in the old warehouse.",
        "red box / red boxes", "fragile item", "Danish parcel", "unpaid order", "heavy load",
        "export",
    ),
    _realm(
        "The members of the hiking club were asked about themselves.",
        "painter", "early riser", "vegetarian", "dog owner", "only child / only children",
        "good swimmer",
    ),
    _realm(
        "A new catalogue describes all pictures in the collection of the bank.",
        "landscape", "signed piece", "night scene", "work on paper / works on paper",
        "forgery / forgeries", "late purchase",
    ),
    _realm(
        "The plants of the walled garden have been listed.",
        "climber", "night bloomer", "medicinal plant", "imported plant", "shade lover",
        "yearly bloomer",
    ),
    _realm(
        "A clerk has sorted the files of the closed factory.",
        "secret file", "bound volume", "copy / copies", "list of wages / lists of wages",
        "foreign document", "damaged piece",
    ),
    _realm(
        "The passengers of the ship were written down in a book.",
        "sailor", "widow", "engineer", "card player", "islander", "first-time traveller",
    ),
    _realm(
        "A linguist has described the words of a small language.",
        "loanword", "verb", "taboo word", "short word", "rhyming word",
        "old form",
    ),
)  # fmt: skip
"""All of them."""

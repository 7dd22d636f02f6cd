"""Places with a goal and four conditions that may be needed for it or be enough: vocabulary.

Clauses are predicates of one person, each with its denial. No condition excludes or implies
another.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ADMISSIONS", "NAMES", "Admission"]

NAMES = (
    "Ana", "Bilal", "Chen", "Dora", "Emil", "Farid", "Greta", "Hana", "Ivo", "Jonas", "Kofi",
    "Lena", "Marek", "Nadia", "Oskar", "Priya", "Rosa", "Sami", "Tilda", "Umar", "Vera", "Wanda",
    "Yusuf", "Zoe",
)  # fmt: skip
"""Persons, of all kinds of question."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What one kind of person wants, and what may decide on it."""

    intro: str
    noun: str
    """What such a person is called."""
    predicates: tuple[tuple[str, str], ...]
    """The goal, then the conditions, each with its denial."""

    def say(self, literal: int) -> str:
        """Return predicate `literal`, counted from 1 (the goal), or its denial for a negative."""
        return self.predicates[abs(literal) - 1][literal < 0]


def _admission(intro: str, noun: str, *predicates: str) -> Admission:
    pairs = [predicate.split(" / ") for predicate in predicates]
    return Admission(intro, noun, tuple((does, denied) for does, denied in pairs))


ADMISSIONS = (
    _admission(
        "The town archive is careful about whom it lets in.",
        "visitor",
        "is let in / is not let in",
        "holds a staff card / does not hold a staff card",
        "has booked a desk / has not booked a desk",
        "brings a letter / does not bring a letter",
        "has paid the fee / has not paid the fee",
    ),
    _admission(
        "The rowing club takes new people on strict terms.",
        "applicant",
        "is accepted / is not accepted",
        "can swim a mile / cannot swim a mile",
        "owns a boat / does not own a boat",
        "has passed the health check / has not passed the health check",
        "knows a member / does not know a member",
    ),
    _admission(
        "A prize is given every year to gardeners of the valley.",
        "gardener",
        "receives the prize / does not receive the prize",
        "grows roses / does not grow roses",
        "uses rainwater / does not use rainwater",
        "keeps a diary / does not keep a diary",
        "opens the garden to children / does not open the garden to children",
    ),
    _admission(
        "The evening school has made up its mind about who may sit the final exam.",
        "student",
        "sits the exam / does not sit the exam",
        "has written the essay / has not written the essay",
        "attends every class / does not attend every class",
        "works in the lab / does not work in the lab",
        "has a tutor / does not have a tutor",
    ),
    _admission(
        "An airline gives some of its passengers a better seat.",
        "passenger",
        "gets a better seat / does not get a better seat",
        "flies every week / does not fly every week",
        "checks in early / does not check in early",
        "travels alone / does not travel alone",
        "carries the blue card / does not carry the blue card",
    ),
    _admission(
        "The library of tools lends its machines under a few conditions.",
        "borrower",
        "may take the saw / may not take the saw",
        "wears gloves / does not wear gloves",
        "has done the course / has not done the course",
        "lives in the quarter / does not live in the quarter",
        "leaves a deposit / does not leave a deposit",
    ),
    _admission(
        "At the summer fair, not every stallholder gets a place on the square.",
        "stallholder",
        "gets a place on the square / does not get a place on the square",
        "sells food / does not sell food",
        "has a tent / does not have a tent",
        "came last year / did not come last year",
        "helps to clean up / does not help to clean up",
    ),
    _admission(
        "The mountain rescue team chooses its night drivers by the following rules.",
        "volunteer",
        "drives at night / does not drive at night",
        "speaks two languages / does not speak two languages",
        "has a lorry licence / does not have a lorry licence",
        "lives near the station / does not live near the station",
        "has served a winter / has not served a winter",
    ),
)
"""All of them."""

"""Places with facts that may hold there or not: the vocabulary of rules and of arguments.

A fact is a clause and its denial. No two facts of a place exclude or imply one another.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MATTERS", "Matter"]


@dataclass(frozen=True, slots=True)
class Matter:
    """A place and six facts about it."""

    intro: str
    """The words with which a passage about it may begin."""
    facts: tuple[tuple[str, str], ...]
    """Clauses without capital and full stop, each with its denial."""

    def say(self, literal: int) -> str:
        """Return the clause of fact `literal`, counted from 1, or its denial for a negative one."""
        return self.facts[abs(literal) - 1][literal < 0]


def _matter(intro: str, *facts: str) -> Matter:
    """Read facts such as `the ferry / runs / does not run`."""
    parts = [[part.strip() for part in fact.split("/")] for fact in facts]
    return Matter(intro, tuple((f"{who} {does}", f"{who} {denied}") for who, does, denied in parts))


MATTERS = (
    _matter(
        "On every day of the year, the following holds in the harbour of Tarn.",
        "the ferry / runs / does not run",
        "the fish market / is open / is not open",
        "the lighthouse lamp / is lit / is not lit",
        "the pilot boat / is at sea / is not at sea",
        "the harbour café / serves lunch / does not serve lunch",
        "the flag on the pier / is raised / is not raised",
    ),
    _matter(
        "The timetable of the mountain school is made by these rules.",
        "the older class / has music / does not have music",
        "the gym / is free / is not free",
        "the choir / rehearses / does not rehearse",
        "the science room / is locked / is not locked",
        "the head teacher / teaches / does not teach",
        "the library / closes at noon / does not close at noon",
    ),
    _matter(
        "Whoever works at the Olmo bakery knows how things go there.",
        "the stone oven / is hot / is not hot",
        "the night shift / comes in / does not come in",
        "the rye bread / is sold out / is not sold out",
        "the apprentice / kneads the dough / does not knead the dough",
        "the shop window / is full / is not full",
        "the delivery van / leaves early / does not leave early",
    ),
    _matter(
        "The old observatory is run according to fixed rules.",
        "the dome / is open / is not open",
        "the large telescope / is in use / is not in use",
        "the night guard / makes a round / does not make a round",
        "the visitors' room / is heated / is not heated",
        "the log book / is signed / is not signed",
        "the car park / is lit / is not lit",
    ),
    _matter(
        "At the theatre in Mill Street, one thing depends on another.",
        "the main stage / is booked / is not booked",
        "the costume shop / works late / does not work late",
        "the bar / sells drinks / does not sell drinks",
        "the side door / is guarded / is not guarded",
        "the orchestra / plays / does not play",
        "the poster / is changed / is not changed",
    ),
    _matter(
        "These are the customs of the Bruck farm.",
        "the tractor / is repaired / is not repaired",
        "the lower field / is watered / is not watered",
        "the farm shop / takes orders / does not take orders",
        "the dogs / sleep in the barn / do not sleep in the barn",
        "the neighbours / lend a hand / do not lend a hand",
        "the hay / is brought in / is not brought in",
    ),
    _matter(
        "The night train to the coast follows a few strict rules.",
        "the dining car / is attached / is not attached",
        "the conductor / checks passports / does not check passports",
        "the train / stops at Ebern / does not stop at Ebern",
        "the sleeping car / is full / is not full",
        "the second engine / is used / is not used",
        "the last carriage / stays empty / does not stay empty",
    ),
    _matter(
        "In the botanical garden, the gardeners go by these rules.",
        "the palm house / is aired / is not aired",
        "the fountain / is switched on / is not switched on",
        "the orchids / are moved / are not moved",
        "the north gate / is shut / is not shut",
        "the tour / starts at the pond / does not start at the pond",
        "the seed store / is counted / is not counted",
    ),
    _matter(
        "The staff of the Hotel Corvo describe their working day as follows.",
        "the roof terrace / is open / is not open",
        "the cook / makes soup / does not make soup",
        "the lift / is serviced / is not serviced",
        "the porter / wears a uniform / does not wear a uniform",
        "the pool / is cleaned / is not cleaned",
        "the front desk / takes calls / does not take calls",
    ),
    _matter(
        "The repair shop on Canal Road keeps to the following rules.",
        "the owner / is in / is not in",
        "the spare parts / are delivered / are not delivered",
        "the back room / is swept / is not swept",
        "the radio / is playing / is not playing",
        "the old lathe / is running / is not running",
        "the cash box / is counted / is not counted",
    ),
    _matter(
        "In the research station on the ice, life is ruled by habits.",
        "the generator / is on / is not on",
        "the weather balloon / goes up / does not go up",
        "the sledges / are packed / are not packed",
        "the radio operator / sends a report / does not send a report",
        "the doctor / is on duty / is not on duty",
        "the heated tent / is used / is not used",
    ),
    _matter(
        "The city museum works in a way that its guards know by heart.",
        "the coin room / is open / is not open",
        "the guide / speaks French / does not speak French",
        "the cloakroom / charges a fee / does not charge a fee",
        "the glass roof / is covered / is not covered",
        "the school group / eats in the hall / does not eat in the hall",
        "the film / is shown twice / is not shown twice",
    ),
)
"""All of them; a question about one place and an argument about another never share a fact."""

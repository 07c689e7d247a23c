"""What a sentence's experiments say of it: a number, and the conditions that decide."""

from typing import NamedTuple

SHRUG = 0.9  # what knowing nothing costs: ten outputs of 0.1
DEEP = 0.01  # of a minimum, about a hundredth of that


class Check(NamedTuple):
    """One condition of a verdict.

    Attributes:
        rule: in words, "in each network ...".
        found: what was found, in words.
        holds: whether that fulfils it.
    """

    rule: str
    found: str
    holds: bool


class Found(NamedTuple):
    """What a sentence's experiments say of it.

    Attributes:
        number: in a line.
        checks: the sentence counts as seen if all of them hold.
        alts: what is seen in each figure, by its name.
        boxes: in place of a figure: what goes into a box, its name, what stays fixed, what comes out.
    """

    number: str
    checks: list[Check]
    alts: dict[str, str]
    boxes: tuple[tuple[str, str, str, str], ...] = ()

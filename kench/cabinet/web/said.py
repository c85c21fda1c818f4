"""What a page says at its top after something was done: by a short name in its address."""

from dataclasses import dataclass

from kench.cabinet.words.catalogues import N_


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence, and whether it is good news."""

    text: str
    good: bool = True


SAID: dict[str, Said] = {
    "workers-moved": Said(N_("The workers are in their group now.")),
    "workers-none": Said(N_("No worker was moved: choose some first."), good=False),
    "group-name": Said(N_("A group needs a name of 1 to 64 letters."), good=False),
    "group-limit": Said(N_("There are too many groups: empty one first."), good=False),
    "group-unknown": Said(N_("There is no such group any more."), good=False),
    "left": Said(N_("You have left the cabinet.")),
}
"""Each room adds its own here."""

"""What a page says at its top after something was done: by a short name in its address."""

from dataclasses import dataclass

from kench.cabinet.words.catalogues import N_


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence, and whether it is good news."""

    text: str
    good: bool = True


SAID: dict[str, Said] = {
    "left": Said(N_("You have left the cabinet.")),
}
"""Each room adds its own here."""

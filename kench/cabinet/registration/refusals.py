"""Acts that cannot be done now, with what to tell the person in their language."""

from typing import Any

from kench.cabinet.registration.gaps import Words, said_values
from kench.pool.errors import KenchError


class ActRefusedError(KenchError):
    """A signed or asked-for act that comes at the wrong moment, or from the wrong person.

    Whatever was done in its transaction is undone.
    """

    def __init__(self, text: str, **values: Any) -> None:
        super().__init__(text % values)
        self._text, self._values = text, values

    def said(self, words: Words) -> str:
        """Why, in a language."""
        return words(self._text) % said_values(self._values, words)

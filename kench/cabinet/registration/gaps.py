"""What is missing in a form, or cannot be right, in words that a person understands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

Words = Callable[[str], str]
"""Says a text in somebody's language."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A line of English of a part that knows no languages, and how it is said in them.

    Without a text it stays English.
    """

    line: str
    text: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.line

    def said(self, words: Words) -> str:
        """It in a language."""
        return words(self.text) % said_values(self.values, words) if self.text else self.line


def said_values(values: Mapping[str, Any], words: Words) -> dict[str, Any]:
    """Values of a text, those that can be said in a language said in it."""
    return {
        name: value.said(words) if isinstance(value, Reason) else value
        for name, value in values.items()
    }


class Gap(NamedTuple):
    """One thing to mend."""

    field: str
    """Name of the form's field."""
    text: str
    """A text of the catalogues, with `values` in it."""
    values: Mapping[str, Any] = MappingProxyType({})

    def said(self, words: Words) -> str:
        """It in a language."""
        return words(self.text) % said_values(self.values, words)

"""What is missing in a form, or cannot be right, in words that a person understands."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

Words = Callable[[str], str]
"""Says a text in somebody's language."""


class Gap(NamedTuple):
    """One thing to mend."""

    field: str
    """Name of the form's field."""
    text: str
    """A text of the catalogues, with `values` in it."""
    values: Mapping[str, Any] = MappingProxyType({})

    def said(self, words: Words) -> str:
        """It in a language."""
        return words(self.text) % self.values

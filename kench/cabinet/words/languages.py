"""The three languages, and which of them a browser asks for."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from babel import Locale


class Language(StrEnum):
    """A language of the pages, by its code in HTML."""

    KY = "ky"
    RU = "ru"
    EN = "en"

    @property
    def own_name(self) -> str:
        """What its speakers call it."""
        return OWN_NAMES[self]

    @property
    def locale(self) -> Locale:
        """How numbers, money and dates are written."""
        return LOCALES[self]


DEFAULT = Language.KY
"""The state language, for a browser that asks for none of the three."""
OWN_NAMES = {Language.KY: "Кыргызча", Language.RU: "Русский", Language.EN: "English"}
# In plain `ru` the som is "KGS", and plain `en` writes the month before the day.
LOCALES = {
    Language.KY: Locale.parse("ky"),
    Language.RU: Locale.parse("ru_KG"),
    Language.EN: Locale.parse("en_GB"),
}
TAGS_READ = 20
"""So many entries of Accept-Language are looked at."""


def language_of(text: str | None) -> Language | None:
    """Return the language of such a code, None for any other."""
    try:
        return Language(text or "")
    except ValueError:
        return None


def wished_language(accept_language: str) -> Language:
    """Return the first of ours that the header asks for, by its weights; else Kyrgyz."""
    return next(_by_weight(accept_language.split(",")[:TAGS_READ]), DEFAULT)


def _by_weight(entries: Iterable[str]) -> Iterator[Language]:
    found = []
    for entry in entries:
        tag, _, parameter = entry.partition(";")
        language = language_of(tag.strip().lower().partition("-")[0])
        if language is None:
            continue
        name, _, weight = parameter.partition("=")
        try:
            wish = float(weight) if name.strip() == "q" else 1.0
        except ValueError:
            wish = 0.0
        if wish > 0:
            found.append((-wish, language))
    return iter(language for _, language in sorted(found, key=lambda pair: pair[0]))

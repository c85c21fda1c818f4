"""The words that an entry is found by: folded, each with what it is a word of. Pure."""

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum

from kench.cabinet.registration.application import Applicant, ApplicantKind, Certificate
from kench.cabinet.registration.equipment import Equipment

TYPED_MAX = 200
WORDS_MAX = 8
"""Of what somebody types, so many words are looked for."""
POSITIONS_MAX = 16_000
"""PostgreSQL counts the places of words no further."""
_WORD = re.compile(r"[^\W_]+")
_LIKE_RUSSIAN = str.maketrans("өүң", "оун")
"""Typed so on a keyboard without them."""


class Where(StrEnum):
    """What a word is of: the weight that PostgreSQL keeps with it."""

    NAME = "A"
    NUMBER = "B"
    SITE = "C"
    MODEL = "D"


Words = list[tuple[str, Where]]


def words_in(text: str) -> list[str]:
    """Return the words of a text, small, without accents, Kyrgyz letters as Russian ones."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(one for one in plain if not unicodedata.combining(one))
    return _WORD.findall(letters.translate(_LIKE_RUSSIAN))


def words_of_entry(
    applicant: Applicant, certificate: Certificate | None, equipment: Iterable[Equipment]
) -> Words:
    """Return all words by which officers find an entry."""
    words = [(word, Where.NAME) for word in words_in(applicant.name)]
    words += _number(applicant.tax_number)
    if certificate is not None:
        words += _number(certificate.number)
    for row in equipment:
        words += [(word, Where.MODEL) for word in words_in(row.model)]
        words += [(word, Where.SITE) for word in words_in(row.site)]
    return words


def public_words_of(applicant: Applicant, certificate: Certificate | None) -> Words:
    """Return those by which everybody does: of natural persons none, whatever they trade as."""
    if applicant.kind is not ApplicantKind.ENTITY:
        return []
    words = [(word, Where.NAME) for word in words_in(applicant.name)]
    return words + (_number(certificate.number) if certificate else [])


def vector_of(words: Words) -> str:
    """Return them as PostgreSQL reads a tsvector; letters and digits need no quoting."""
    known = list(dict.fromkeys(words))[:POSITIONS_MAX]
    return " ".join(f"'{word}':{place}{where}" for place, (word, where) in enumerate(known, 1))


def query_of(typed: str, where: Where | None = None) -> str:
    """Return what somebody typed as a tsquery: each word may go on; empty where there is none."""
    label = where.value if where else ""
    words = words_in(typed[:TYPED_MAX])[:WORDS_MAX]
    return " & ".join(f"'{word}':*{label}" for word in words)


def _number(number: str) -> Words:
    """A number in parts and as a whole: M-17 is found by m17 too."""
    parts = words_in(number)
    return [(word, Where.NUMBER) for word in dict.fromkeys([*parts, "".join(parts)]) if word]

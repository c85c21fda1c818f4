"""What a form is: data with labels in three languages, and nothing in it that is run. Pure.

A form says its kind, from which period on it holds, its fields, where their values come from, what
they must satisfy, which documents go with it and until when it is filed.
"""

import re
from enum import StrEnum

import msgspec

from kench.cabinet.reports.periods import Due, Every

FORM_BYTES_MAX = 128 * 1024
PARTS_MAX, FIELDS_MAX, COLUMNS_MAX, OPTIONS_MAX = 20, 120, 12, 50
CHECKS_MAX, TERMS_MAX, FILES_MAX, ROWS_MAX = 40, 30, 10, 50
LABEL_MAX, TEXT_MAX, KEY_MAX = 300, 2_000, 40
LONGEST_MAX, DECIMALS_MAX = 4_000, 9
KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")
KIND = re.compile(r"[a-z][a-z0-9_]{0,19}")
NUMBER_MAX = 10**17
"""Beyond every amount of satoshi and tyiyn, and exact in what reads JSON elsewhere as 64 bits."""


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text in the three languages."""

    ky: str
    ru: str
    en: str

    def said(self, language: str) -> str:
        """It in a language."""
        return str(getattr(self, language))


class FieldType(StrEnum):
    """What a value is."""

    INTEGER = "integer"
    SATOSHI = "satoshi"
    TYIYN = "tyiyn"
    DECIMAL = "decimal"
    """Kept as text, exactly as it is."""
    TEXT = "text"
    DATE = "date"
    CHOICE = "choice"
    CONFIRM = "confirm"
    """A sentence that the participant stands by; it is ticked or there is no report."""
    TABLE = "table"

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole number of something, so that sums of it are exact."""
        return self in WHOLE


WHOLE = frozenset({FieldType.INTEGER, FieldType.SATOSHI, FieldType.TYIYN})


class Option(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the answers of a choice."""

    key: str
    label: Texts


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one value must be: a field's, or of each row of a table."""

    key: str
    type: FieldType
    label: Texts
    unit: Texts | None = None
    required: bool = False
    least: int | None = None
    most: int | None = None
    decimals: int = 2
    longest: int = 200
    options: tuple[Option, ...] = ()


class Field(Column, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A field of the form."""

    hint: Texts | None = None
    source: str | None = None
    """Which of the system's own data it is filled from."""
    editable: bool = False
    """Whether another value than the system's may stand there, with a note that says why."""
    columns: tuple[Column, ...] = ()
    rows_max: int = ROWS_MAX
    summed: bool = False
    """Whether the authorised body sees its sum over all participants."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields under one heading."""

    title: Texts
    fields: tuple[Field, ...]


class Rule(StrEnum):
    """How two sides compare."""

    EQUAL = "equal"
    AT_MOST = "at_most"


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field, compared with the sum of others less others; left out while one of them is empty."""

    field: str
    rule: Rule
    plus: tuple[str, ...]
    text: Texts
    """What to say where it does not hold."""
    minus: tuple[str, ...] = ()


class Media(StrEnum):
    """What kinds of documents are taken."""

    PDF = "pdf"
    XLSX = "xlsx"


class FilePart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document that goes with the form."""

    key: str
    label: Texts
    required: bool
    media: tuple[Media, ...]


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A form."""

    kench_form: int
    kind: str
    version: int
    every: Every
    effective_from: str
    """The first period that is reported with it."""
    due: Due
    title: Texts
    intro: Texts
    statement: Texts
    """What the participant says by its signature."""
    parts: tuple[Part, ...]
    order: int | None = None
    instead_of: str | None = None
    """Kind of the report that may be filed with this form as well (the simplified one)."""
    checks: tuple[Check, ...] = ()
    files: tuple[FilePart, ...] = ()
    withdrawn: bool = False
    """From its first period on nothing of this kind is reported any more."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """All of them, in order."""
        return tuple(field for part in self.parts for field in part.fields)

    def field(self, key: str) -> Field | None:
        """The field of that key."""
        return next((one for one in self.fields if one.key == key), None)


def canonical(form: Form) -> bytes:
    """A form as bytes, always the same for the same form."""
    return msgspec.json.encode(form, order="deterministic")

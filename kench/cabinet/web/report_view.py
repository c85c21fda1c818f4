"""Reports as pages show them: fields with what the system knows, what is typed, what was filed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from kench.cabinet.registration.fields import day_of
from kench.cabinet.registration.gaps import Words
from kench.cabinet.reports.form import Column, Field, FieldType, Form
from kench.cabinet.reports.store import ReportLine, ReportState
from kench.cabinet.reports.values import (
    Cell,
    Facts,
    Row,
    Value,
    cell_name,
    differs,
    fact_of,
    is_fixed,
    note_name,
    plain_text,
    value_name,
)
from kench.cabinet.words.catalogues import N_, words_of
from kench.cabinet.words.formats import EMPTY, Formats
from kench.cabinet.words.languages import Language

SPARE_ROWS = 2
"""Empty rows of a table, to be filled in; more come when these are saved."""
LONG = 200
"""A text that may be longer is typed in several lines."""
_SAMPLES: Mapping[FieldType, Value] = {
    FieldType.INTEGER: 0, FieldType.SATOSHI: 0, FieldType.TYIYN: 0, FieldType.DECIMAL: "0",
    FieldType.TEXT: "…", FieldType.TABLE: [],
}  # fmt: skip
REPORT_STATES = {
    ReportState.DUE: N_("to be completed"),
    ReportState.FILED: N_("filed, waits for an officer"),
    ReportState.RETURNED: N_("sent back to be corrected"),
    ReportState.ACCEPTED: N_("accepted"),
}
STATE_TONES = {
    ReportState.DUE: "warn", ReportState.FILED: "", ReportState.RETURNED: "bad",
    ReportState.ACCEPTED: "good",
}  # fmt: skip


class CellShown(NamedTuple):
    """A place to type in."""

    name: str
    spec: Column
    label: str
    typed: str
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FieldShown:
    """A field, in somebody's language."""

    field: Field
    label: str
    hint: str
    unit: str
    name: str
    note_name: str
    fixed: bool
    from_system: bool
    shown: str
    """The value that stands, or what the system knows."""
    fact: str
    """What the system knows, where another value stands."""
    typed: str = ""
    note: str = ""
    differs: bool = False
    options: tuple[tuple[str, str], ...] = ()
    headings: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    """Of a table that is read."""
    cells: tuple[tuple[CellShown, ...], ...] = ()
    """Of a table that is typed."""

    @property
    def is_long(self) -> bool:
        """Whether it is typed in several lines."""
        return self.field.type is FieldType.TEXT and self.field.longest > LONG


class PartShown(NamedTuple):
    """Fields under one heading."""

    title: str
    fields: list[FieldShown]


@dataclass(frozen=True, slots=True)
class View:
    """How one language shows reports."""

    language: Language

    @property
    def words(self) -> Words:
        """Its texts."""
        return words_of(self.language).gettext

    def preview(self, form: Form) -> list[PartShown]:
        """A form as it will be, with something in the place of what the system knows."""
        facts = {one.source: _SAMPLES[one.type] for one in form.fields if one.source is not None}
        return self.typing(form, facts, {})

    def typing(self, form: Form, facts: Facts, typed: Mapping[str, str]) -> list[PartShown]:
        """A form to be filled in; what is not typed yet is what the system knows."""
        return [
            PartShown(
                part.title.said(self.language.value),
                [self._typing(field, facts, typed) for field in part.fields],
            )
            for part in form.parts
        ]

    def reading(
        self, form: Form, facts: Facts, values: Mapping[str, Value], notes: Mapping[str, str]
    ) -> list[PartShown]:
        """A report as it was filed."""
        return [
            PartShown(
                part.title.said(self.language.value),
                [
                    self._reading(field, facts, values.get(field.key), notes)
                    for field in part.fields
                ],
            )
            for part in form.parts
        ]

    def value(self, spec: Column, value: Cell) -> str:  # noqa: PLR0911 - one for each type
        """One value, with its unit."""
        formats = Formats(self.language)
        if value is None:
            return EMPTY
        if spec.type is FieldType.SATOSHI and isinstance(value, int):
            return f"{formats.btc(value)} BTC"
        if spec.type is FieldType.TYIYN and isinstance(value, int):
            return formats.som(value)
        if spec.type is FieldType.INTEGER or spec.type is FieldType.DECIMAL:
            return self._with_unit(spec, formats.number(Decimal(str(value)), spec.decimals))
        if spec.type is FieldType.CONFIRM:
            return self.words(N_("yes")) if value else EMPTY
        if spec.type is FieldType.DATE:
            return formats.day(day_of(str(value)))
        if spec.type is FieldType.CHOICE:
            return self._option(spec, value)
        return str(value)

    def _with_unit(self, spec: Column, text: str) -> str:
        return f"{text} {spec.unit.said(self.language.value)}" if spec.unit else text

    def _option(self, spec: Column, value: Cell) -> str:
        said = {option.key: option.label.said(self.language.value) for option in spec.options}
        return said.get(str(value), EMPTY)

    def _typing(self, field: Field, facts: Facts, typed: Mapping[str, str]) -> FieldShown:
        name, fact = value_name(field.key), fact_of(field, facts)
        text = typed.get(name)
        if text is None and not isinstance(fact, list):
            text = plain_text(field, fact)
        fixed = is_fixed(field, facts)
        return self._shown(
            field, fact,
            fixed=fixed, from_system=fact is not None, typed=text or "",
            note=typed.get(note_name(field.key), ""),
            cells=() if fixed else tuple(self._cells(field, typed)),
        )  # fmt: skip

    def _reading(
        self, field: Field, facts: Facts, value: Value, notes: Mapping[str, str]
    ) -> FieldShown:
        other = differs(field, facts, value)
        fact = fact_of(field, facts)
        return self._shown(
            field, value,
            fixed=True, from_system=fact is not None and not other, differs=other,
            fact="" if isinstance(fact, list) else self.value(field, fact),
            note=notes.get(field.key, ""),
        )  # fmt: skip

    def _shown(  # noqa: PLR0913 - what is shown of a field
        self, field: Field, value: Value, *, fixed: bool, from_system: bool, typed: str = "",
        note: str = "", differs: bool = False, fact: str = "",
        cells: tuple[tuple[CellShown, ...], ...] = (),
    ) -> FieldShown:  # fmt: skip
        said = self.language.value
        rows = value if isinstance(value, list) else []
        return FieldShown(
            field=field,
            label=field.label.said(said),
            hint=field.hint.said(said) if field.hint else "",
            unit=field.unit.said(said) if field.unit else self._own_unit(field),
            name=value_name(field.key),
            note_name=note_name(field.key),
            fixed=fixed,
            from_system=from_system,
            shown="" if isinstance(value, list) else self.value(field, value),
            fact=fact,
            typed=typed,
            note=note,
            differs=differs,
            options=self._options(field),
            headings=tuple(column.label.said(said) for column in field.columns),
            rows=tuple(self._row(field, row) for row in rows),
            cells=cells,
        )

    def _options(self, spec: Column) -> tuple[tuple[str, str], ...]:
        said = self.language.value
        return tuple((one.key, one.label.said(said)) for one in spec.options)

    def _own_unit(self, spec: Column) -> str:
        units = {FieldType.SATOSHI: "BTC", FieldType.TYIYN: self.words(N_("som"))}
        return units.get(spec.type, "")

    def _row(self, field: Field, row: Row) -> tuple[str, ...]:
        return tuple(self.value(column, row.get(column.key)) for column in field.columns)

    def _cells(self, field: Field, typed: Mapping[str, str]) -> Iterator[tuple[CellShown, ...]]:
        if field.type is not FieldType.TABLE:
            return
        filled = [
            number
            for number in range(1, field.rows_max + 1)
            if any(typed.get(cell_name(field.key, number, one.key)) for one in field.columns)
        ]
        for number in range(1, min(field.rows_max, max(filled, default=0) + SPARE_ROWS) + 1):
            yield tuple(
                CellShown(
                    (name := cell_name(field.key, number, column.key)),
                    column,
                    f"{column.label.said(self.language.value)} ({number})",
                    typed.get(name, ""),
                    self._options(column),
                )
                for column in field.columns
            )


def tone_of(line: ReportLine, left: int, near: int) -> str:
    """Class of the tag of a report's day: red before it passes, and after."""
    if not line.is_open:
        return ""
    return "bad" if left <= near else "good"

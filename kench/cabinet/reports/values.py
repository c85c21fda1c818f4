"""Values of a report: read from what was typed, checked against the form and the system's data.

Pure. Amounts are whole satoshi, tyiyn or units; a decimal stays the text that it is.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from kench.cabinet.registration.fields import day_of, line_of, paragraphs_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.reports.form import NUMBER_MAX, Column, Field, FieldType, Form, Rule
from kench.cabinet.words.catalogues import N_

Cell = int | str | bool | None
Row = dict[str, int | str | None]
Value = int | str | bool | list[Row] | None
Facts = Mapping[str, Value]
"""What the system knows, by the name of the source."""
NOTE_MAX, DIGITS_MAX = 300, 90
"""Work is a number of up to 78 digits."""
SHIFT = {FieldType.INTEGER: 0, FieldType.SATOSHI: 8, FieldType.TYIYN: 2}
"""Decimals of what people type: bitcoins and som."""
_TYPED = re.compile(r"(-?)([0-9]{1,78})(?:[.,]([0-9]{1,9}))?")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,77})(?:\.[0-9]{0,8}[1-9])?")
_NUMBER_WRONG = {
    FieldType.INTEGER: N_("%(label)s: a whole number"),
    FieldType.SATOSHI: N_("%(label)s: bitcoins, with eight decimals at most"),
    FieldType.TYIYN: N_("%(label)s: som, with two decimals at most"),
    FieldType.DECIMAL: N_("%(label)s: a number, with %(decimals)s decimals at most"),
}
_MISSING = N_("%(label)s: this is missing")


class WrongError(ValueError):
    """A typed text that is no value of its field; its text says why."""


def value_name(key: str) -> str:
    """The name of a field in the page's form."""
    return f"v-{key}"


def note_name(key: str) -> str:
    """The name of the note beside it."""
    return f"n-{key}"


def cell_name(key: str, row: int, column: str) -> str:
    """The name of a cell of a table; rows count from one."""
    return f"v-{key}-{row}-{column}"


def is_fixed(field: Field, facts: Facts) -> bool:
    """Whether the system's value stands there, and no other."""
    return not field.editable and fact_of(field, facts) is not None


def fact_of(field: Field, facts: Facts) -> Value:
    """What the system knows of a field; None where it knows nothing."""
    return None if field.source is None else facts.get(field.source)


def known_values(form: Form, facts: Facts) -> dict[str, Value]:
    """What the system knows of each field."""
    return {field.key: fact_of(field, facts) for field in form.fields}


def differs(field: Field, facts: Facts, value: Value) -> bool:
    """Whether a value is another than the system's own."""
    fact = fact_of(field, facts)
    return fact is not None and not _same(value, fact)


def names_of(form: Form, facts: Facts) -> Iterator[tuple[str, int]]:
    """Yield the name of every text that the page's form has, and its longest."""
    for field in form.fields:
        if is_fixed(field, facts):
            continue
        if field.type is FieldType.TABLE:
            for row in range(1, field.rows_max + 1):
                for column in field.columns:
                    yield cell_name(field.key, row, column.key), column.longest + DIGITS_MAX
        else:
            yield value_name(field.key), field.longest + DIGITS_MAX
        if field.editable:
            yield note_name(field.key), NOTE_MAX


def read_values(
    form: Form, facts: Facts, typed: Mapping[str, str], language: str
) -> tuple[dict[str, Value], dict[str, str], list[Gap]]:
    """The values and notes in a form as it was typed, and all that is wrong with them."""
    values: dict[str, Value] = {}
    notes: dict[str, str] = {}
    gaps: list[Gap] = []
    for field in form.fields:
        if is_fixed(field, facts):
            values[field.key] = fact_of(field, facts)
        elif field.type is FieldType.TABLE:
            values[field.key] = _rows(field, typed, language, gaps)
        else:
            name = value_name(field.key)
            values[field.key] = (
                _read(field, typed[name], name, language, gaps)
                if name in typed
                else fact_of(field, facts)
            )
        note = line_of(typed.get(note_name(field.key), ""), NOTE_MAX)
        if note is not None and field.editable and differs(field, facts, values[field.key]):
            notes[field.key] = note
    wrong = {gap.field for gap in gaps}
    gaps += [one for one in check_values(form, facts, values, notes, language)
             if one.field not in wrong]  # fmt: skip
    return values, notes, gaps


def typed_of(form: Form, facts: Facts, values: Mapping[str, Value]) -> dict[str, str]:
    """Values as somebody would type them: what `read_values` reads back."""
    typed: dict[str, str] = {}
    for field in form.fields:
        value = values.get(field.key)
        if is_fixed(field, facts):
            continue
        if isinstance(value, list):
            for number, row in enumerate(value, start=1):
                for column in field.columns:
                    if text := plain_text(column, row.get(column.key)):
                        typed[cell_name(field.key, number, column.key)] = text
        elif (text := plain_text(field, value)) or differs(field, facts, value):
            # What was emptied stays empty: nothing typed is what the system knows.
            typed[value_name(field.key)] = text
    return typed


def plain_text(spec: Column, value: Cell) -> str:
    """A value as it is typed, the same in all languages, without its unit."""
    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    if isinstance(value, int) and (shift := SHIFT.get(spec.type, 0)):
        sign, digits = "-" if value < 0 else "", f"{abs(value):0{shift + 1}}"
        return f"{sign}{digits[:-shift]}.{digits[-shift:]}"
    return str(value)


def check_values(
    form: Form,
    facts: Facts,
    values: Mapping[str, Value],
    notes: Mapping[str, str],
    language: str = "en",
) -> list[Gap]:
    """All that is wrong with the values of a report, whoever made them; never raises."""
    if values.keys() != {field.key for field in form.fields}:
        return [Gap("form", N_("The report has not the fields of its form"))]
    gaps: list[Gap] = []
    for field in form.fields:
        gaps += _checked(field, facts, values[field.key], language)
        if differs(field, facts, values[field.key]) and not field.editable:
            gaps.append(
                _wrong(field, N_("%(label)s: the system's own value stands here"), language)
            )
        elif (
            differs(field, facts, values[field.key])
            and not notes.get(field.key)
            and not (field.required and values[field.key] is None)
        ):
            text = N_("%(label)s: say in the note why it is another than the system's")
            gaps.append(Gap(note_name(field.key), text, {"label": field.label.said(language)}))
    loose = [key for key in notes if not _has_note(form, facts, values, key)]
    if loose or any(line_of(note, NOTE_MAX) != note for note in notes.values()):
        gaps.append(Gap("form", N_("A note stands where nothing differs, or is too long")))
    return gaps or list(_compared(form, facts, values, language))


def _same(one: Value, other: Value) -> bool:
    """Whether they are the same as JSON: 1 is not true there."""
    first, second = (msgspec.json.encode(value, order="deterministic") for value in (one, other))
    return first == second


def _has_note(form: Form, facts: Facts, values: Mapping[str, Value], key: str) -> bool:
    field = form.field(key)
    return field is not None and field.editable and differs(field, facts, values[key])


def _compared(
    form: Form, facts: Facts, values: Mapping[str, Value], language: str
) -> Iterator[Gap]:
    fixed = {field.key for field in form.fields if is_fixed(field, facts)}
    for check in form.checks:
        named = (check.field, *check.plus, *check.minus)
        whole = [term for key in named if isinstance(term := values[key], int)]
        # What the system alone wrote, nobody could mend here.
        if len(whole) != len(named) or fixed.issuperset(named):
            continue
        plus = 1 + len(check.plus)
        total = sum(whole[1:plus]) - sum(whole[plus:])
        if whole[0] == total or (check.rule is Rule.AT_MOST and whole[0] < total):
            continue
        yield Gap(value_name(check.field), "%(text)s", {"text": check.text.said(language)})


def _checked(field: Field, facts: Facts, value: Value, language: str) -> Iterator[Gap]:
    if value is not None and _same(value, fact_of(field, facts)):
        return  # What the system knows needs no checking.
    if value is None or value == []:
        if field.required or field.type is FieldType.CONFIRM:
            yield _wrong(field, _MISSING, language)
        return
    if field.type is not FieldType.TABLE:
        why = None if isinstance(value, list) else _unfit(field, value)
        if why or isinstance(value, list):
            yield _wrong(field, why or _MISSING, language)
        return
    if not isinstance(value, list) or len(value) > field.rows_max:
        yield _wrong(field, N_("%(label)s: too many rows"), language)
        return
    for number, row in enumerate(value, start=1):
        yield from _row(field, number, row, language)


def _row(field: Field, number: int, row: Row, language: str) -> Iterator[Gap]:
    if row.keys() != {column.key for column in field.columns}:
        yield _wrong(field, _MISSING, language)
        return
    for column in field.columns:
        cell = row[column.key]
        why = _unfit(column, cell) if cell is not None else (_MISSING if column.required else None)
        if why:
            yield _wrong(column, why, language, cell_name(field.key, number, column.key))


def _unfit(spec: Column, value: Cell) -> str | None:
    """Why a value is none of its field; None where it is one."""
    kind = spec.type
    if kind.is_whole or kind is FieldType.DECIMAL:
        number = _number_of(spec, value)
        if number is None:
            return _NUMBER_WRONG[kind]
        low, high = spec.least, spec.most
        if (low is not None and number < low) or (high is not None and number > high):
            return N_("%(label)s: between %(least)s and %(most)s")
        return None
    fits: dict[FieldType, Callable[[str], bool]] = {
        FieldType.TEXT: lambda text: _text(spec, text) == text,
        FieldType.DATE: lambda text: day_of(text) is not None and text == text.strip(),
        FieldType.CHOICE: lambda text: text in {option.key for option in spec.options},
    }
    if kind is FieldType.CONFIRM:
        return None if value is True else _MISSING
    good = isinstance(value, str) and kind in fits and fits[kind](value)
    return None if good else _SAID.get(kind, _MISSING)


_SAID = {
    FieldType.TEXT: N_("%(label)s: %(longest)s letters at most"),
    FieldType.DATE: N_("%(label)s: a day such as 2026-11-30"),
    FieldType.CHOICE: N_("%(label)s: choose one of them"),
}


def _number_of(spec: Column, value: Cell) -> Decimal | None:
    if spec.type.is_whole:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return Decimal(value) if whole and abs(value) <= NUMBER_MAX else None  # type: ignore[arg-type]
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value) or value == "-0":
        return None
    part = value.partition(".")[2]
    return Decimal(value) if len(part) <= spec.decimals else None


def _rows(field: Field, typed: Mapping[str, str], language: str, gaps: list[Gap]) -> list[Row]:
    rows: list[Row] = []
    for number in range(1, field.rows_max + 1):
        names = {one.key: cell_name(field.key, number, one.key) for one in field.columns}
        if not any(typed.get(name, "").strip() for name in names.values()):
            continue
        row: Row = {}
        for column in field.columns:
            name = names[column.key]
            cell = _read(column, typed.get(name, ""), name, language, gaps)
            row[column.key] = None if isinstance(cell, bool) else cell
        rows.append(row)
    return rows


def _read(spec: Column, text: str, name: str, language: str, gaps: list[Gap]) -> Cell:
    try:
        return value_of(spec, text)
    except WrongError as wrong:
        gaps.append(_wrong(spec, str(wrong), language, name))
        return None


def value_of(spec: Column, text: str) -> Cell:
    """The value that a text is; None for an empty one. Raises WrongError."""
    kind, text = spec.type, text.strip()
    if not text:
        return None
    if kind is FieldType.CONFIRM:
        return text == "yes"
    value: Cell = _text(spec, text) if kind is FieldType.TEXT else text
    if kind.is_whole or kind is FieldType.DECIMAL:
        value = _typed_number(spec, text)
    why = _unfit(spec, value)
    if why is not None:
        raise WrongError(why)
    return value


def _typed_number(spec: Column, text: str) -> int | str | None:
    matched = _TYPED.fullmatch("".join(text.split()))
    if matched is None:
        return None
    sign, whole, part = matched[1], matched[2], (matched[3] or "").rstrip("0")
    if spec.type is FieldType.DECIMAL:
        number = f"{whole.lstrip('0') or '0'}{'.' if part else ''}{part}"
        return number if number == "0" else sign + number
    shift = SHIFT[spec.type]
    if len(part) > shift:
        return None
    return int(sign + whole + part.ljust(shift, "0"))


def _text(spec: Column, text: str) -> str | None:
    return paragraphs_of(text, spec.longest)


def _wrong(spec: Column, text: str, language: str, name: str | None = None) -> Gap:
    bounds: Sequence[int | None] = (spec.least, spec.most)
    least, most = ("…" if bound is None else plain_text(spec, bound) for bound in bounds)
    values = {
        "label": spec.label.said(language), "decimals": spec.decimals, "longest": spec.longest,
        "least": least, "most": most,
    }  # fmt: skip
    return Gap(name or value_name(spec.key), text, values)

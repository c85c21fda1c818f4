"""Reading a form that somebody wrote: strictly, bounded, all that is wrong named. Pure."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from kench.cabinet.registration.gaps import Gap
from kench.cabinet.reports.form import (
    CHECKS_MAX,
    COLUMNS_MAX,
    DECIMALS_MAX,
    FIELDS_MAX,
    FILES_MAX,
    FORM_BYTES_MAX,
    KEY,
    KIND,
    LABEL_MAX,
    LONGEST_MAX,
    NUMBER_MAX,
    OPTIONS_MAX,
    PARTS_MAX,
    ROWS_MAX,
    TERMS_MAX,
    TEXT_MAX,
    Column,
    Field,
    FieldType,
    Form,
    Texts,
)
from kench.cabinet.reports.periods import period_named
from kench.cabinet.reports.sources import EQUIPMENT_COLUMNS, SOURCES
from kench.cabinet.words.catalogues import N_

DOCUMENT = "document"
"""Name of the field in which a form is typed."""
VERSION_MAX, ORDER_MAX = 10_000, 2**31 - 1
FAULTS_SHOWN = 50
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def read_form(content: bytes) -> Form | list[Gap]:
    """The form in a JSON document, or what is wrong with it."""
    if len(content) > FORM_BYTES_MAX:
        return [_gap(N_("The document is larger than 128 KiB"))]
    try:
        form = msgspec.json.decode(content, type=Form)
    except (msgspec.DecodeError, RecursionError) as error:
        return [_gap(N_("The document is no form: %(why)s"), why=_plain(str(error)))]
    return check_form(form) or form


def check_form(form: Form) -> list[Gap]:
    """All that is wrong with a form that has the right shape."""
    return [gap for _, gap in zip(range(FAULTS_SHOWN), _faults(form), strict=False)]


def _faults(form: Form) -> Iterator[Gap]:
    yield from _head(form)
    counts = [
        (len(form.parts), 0 if form.withdrawn else 1, PARTS_MAX, "parts"),
        (len(form.fields), 0 if form.withdrawn or form.files else 1, FIELDS_MAX, "fields"),
        (len(form.checks), 0, CHECKS_MAX, "checks"),
        (len(form.files), 0, FILES_MAX, "files"),
    ]
    yield from _counted(counts)
    keys = [field.key for field in form.fields] + [one.key for one in form.files]
    yield from _keys(keys)
    for name, texts in (("title", form.title), ("statement", form.statement)):
        yield from _texts(name, texts, LABEL_MAX if name == "title" else TEXT_MAX)
    yield from _texts("intro", form.intro, TEXT_MAX)
    for part in form.parts:
        yield from _texts("parts", part.title, LABEL_MAX)
    for field in form.fields:
        yield from _field(field)
    for one in form.files:
        yield from _texts(one.key, one.label, LABEL_MAX)
        if not one.media or len(set(one.media)) != len(one.media):
            yield _gap(N_("%(key)s: say which kinds of documents are taken"), key=_plain(one.key))
    yield from _checks(form)


def _head(form: Form) -> Iterator[Gap]:
    period = period_named(form.effective_from)
    if form.kench_form != 1:
        yield _gap(N_("kench_form is 1"))
    if not KIND.fullmatch(form.kind):
        yield _gap(N_("The kind is a short word of small Latin letters"))
    if not 1 <= form.version <= VERSION_MAX:
        yield _gap(N_("The version is a number from 1 on"))
    if form.order is not None and not 1 <= form.order <= ORDER_MAX:
        yield _gap(N_("The order is the number of an order"))
    if period is None or period.every is not form.every:
        yield _gap(
            N_("effective_from is a period such as 2026-11 or 2026-Q4, as often as reported")
        )
    if form.instead_of is not None and (
        not KIND.fullmatch(form.instead_of) or form.instead_of == form.kind
    ):
        yield _gap(N_("instead_of is the kind of another form"))
    if not form.due.fits:
        yield _gap(N_("due is 1 to 90 days; only calendar days are moved to a working day"))


def _field(field: Field) -> Iterator[Gap]:
    yield from _column(field, field.key)
    if field.hint is not None:
        yield from _texts(field.key, field.hint, LABEL_MAX)
    if field.summed and not field.type.is_whole:
        yield _gap(N_("%(key)s: only whole numbers are summed"), key=field.key)
    if field.editable and field.source is None:
        yield _gap(N_("%(key)s: what has no source is typed anyway"), key=field.key)
    if field.type is FieldType.TABLE:
        yield from _table(field)
    elif field.columns:
        yield _gap(N_("%(key)s: only a table has columns"), key=field.key)
    if field.source is not None:
        yield from _source(field)


def _table(field: Field) -> Iterator[Gap]:
    if field.editable:
        yield _gap(N_("%(key)s: a table from the system's data is not changed"), key=field.key)
    if not 1 <= len(field.columns) <= COLUMNS_MAX or not 1 <= field.rows_max <= ROWS_MAX:
        yield _gap(N_("%(key)s: a table has 1 to 12 columns and 1 to 50 rows"), key=field.key)
    yield from _keys([column.key for column in field.columns])
    for column in field.columns:
        yield from _column(column, f"{field.key}.{column.key}")
        if column.type in {FieldType.TABLE, FieldType.CONFIRM}:
            yield _gap(N_("%(key)s: no column is of this type"), key=column.key)


def _source(field: Field) -> Iterator[Gap]:
    known = SOURCES.get(field.source or "")
    if known is not field.type or field.type is FieldType.CONFIRM:
        yield _gap(
            N_("%(key)s: the system has no such source of this type: %(source)s"),
            key=_plain(field.key), source=_plain(field.source or ""),
        )  # fmt: skip
    elif field.type is FieldType.TABLE:
        for column in field.columns:
            if EQUIPMENT_COLUMNS.get(column.key) is not column.type:
                yield _gap(
                    N_("%(key)s: the system has no such source of this type: %(source)s"),
                    key=_plain(field.key), source=_plain(column.key),
                )  # fmt: skip


def _column(column: Column, key: str) -> Iterator[Gap]:
    name = _plain(key)
    yield from _texts(key, column.label, TEXT_MAX if _is_confirm(column) else LABEL_MAX)
    if column.unit is not None:
        yield from _texts(key, column.unit, KEY_LENGTH)
    bounds = [one for one in (column.least, column.most) if one is not None]
    numeric = column.type.is_whole or column.type is FieldType.DECIMAL
    if (bounds and not numeric) or bounds != sorted(bounds) or _too_large(bounds):
        yield _gap(N_("%(key)s: these bounds are of no number"), key=name)
    if not 0 <= column.decimals <= DECIMALS_MAX or not 1 <= column.longest <= LONGEST_MAX:
        yield _gap(N_("%(key)s: 0 to 9 decimals, 1 to 4000 letters"), key=name)
    if (column.type is FieldType.CHOICE) != bool(column.options):
        yield _gap(N_("%(key)s: a choice has options, and nothing else has"), key=name)
    yield from _counted([(len(column.options), 0, OPTIONS_MAX, f"{key}.options")])
    yield from _keys([option.key for option in column.options])
    for option in column.options:
        yield from _texts(f"{key}.{option.key}", option.label, LABEL_MAX)


KEY_LENGTH = 40
"""Of a unit."""


def _is_confirm(column: Column) -> bool:
    return column.type is FieldType.CONFIRM


def _too_large(bounds: Iterable[int]) -> bool:
    return any(abs(bound) > NUMBER_MAX for bound in bounds)


def _checks(form: Form) -> Iterator[Gap]:
    for check in form.checks:
        yield from _texts(f"check {check.field}", check.text, LABEL_MAX)
        named = (check.field, *check.plus, *check.minus)
        found = [form.field(key) for key in named]
        types = {field.type for field in found if field is not None}
        if None in found or len(types) != 1 or not next(iter(types)).is_whole:
            yield _gap(
                N_("The check of %(key)s names fields that are not whole numbers of one unit"),
                key=_plain(check.field),
            )
        if not check.plus or len(named) > TERMS_MAX:
            yield _gap(N_("The check of %(key)s has 1 to 30 fields"), key=_plain(check.field))


def _counted(counts: Iterable[tuple[int, int, int, str]]) -> Iterator[Gap]:
    for count, least, most, name in counts:
        if not least <= count <= most:
            yield _gap(
                N_("%(key)s: %(least)s to %(most)s of them, not %(count)s"),
                key=_plain(name), least=least, most=most, count=count,
            )  # fmt: skip


def _keys(keys: Iterable[str]) -> Iterator[Gap]:
    for key, count in Counter(keys).items():
        if not KEY.fullmatch(key):
            yield _gap(N_("%(key)s: a key is small Latin letters, digits and _"), key=_plain(key))
        if count > 1:
            yield _gap(N_("%(key)s: this key is there twice"), key=_plain(key))


def _texts(key: str, texts: Texts, longest: int) -> Iterator[Gap]:
    for text in (texts.ky, texts.ru, texts.en):
        if not 1 <= len(text.strip()) <= longest or text != text.strip() or _is_hidden(text):
            yield _gap(
                N_("%(key)s: a text in each language, in one line, of %(most)s letters at most"),
                key=_plain(key), most=longest,
            )  # fmt: skip
            return


def _is_hidden(text: str) -> bool:
    return any(unicodedata.category(letter) in _HIDDEN for letter in text)


def _plain(text: str) -> str:
    """A text that somebody wrote, fit to be shown in a sentence."""
    return "".join(" " if unicodedata.category(one) in _HIDDEN else one for one in text)[:120]


def _gap(text: str, **values: object) -> Gap:
    return Gap(DOCUMENT, text, values)

"""What is signed when a report is filed: the whole of it as a text, and as data. Pure."""

from collections.abc import Iterator

import msgspec

from kench.cabinet.registration.bodies import line, whole
from kench.cabinet.registration.gaps import Words
from kench.cabinet.reports.form import Column, Field, FieldType, Form
from kench.cabinet.reports.papers import Paper
from kench.cabinet.reports.values import Cell, Row, Value, plain_text
from kench.cabinet.words.catalogues import N_

UNITS = {FieldType.SATOSHI: "BTC", FieldType.TYIYN: "KGS"}


class Filing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A report as it is filed."""

    report: int
    participant: int
    kind: str
    period: str
    form: str
    """Kind of the form that it is filed with: its own, or a simplified one."""
    form_version: int
    form_sha256: str
    version: int
    """1, and more where it corrects what was filed before."""
    contents: dict[str, Value]
    notes: dict[str, str]
    papers: tuple[Paper, ...]


def filing_body(filing: Filing, form: Form, name: str, language: str, _: Words) -> str:
    """A report to be signed."""
    lines = [
        form.title.said(language),
        line(_, N_("Participant"), f"{filing.participant}, {name}"),
        line(_, N_("Period"), filing.period),
        line(_, N_("Form"), f"{form.kind} {form.version}, SHA-256 {filing.form_sha256}"),
    ]
    if form.order is not None:
        lines.append(line(_, N_("Form set by order"), str(form.order)))
    if filing.version > 1:
        lines.append(
            line(_, N_("This corrects what was filed as version"), str(filing.version - 1))
        )
    for part in form.parts:
        lines += ["", part.title.said(language)]
        for field in part.fields:
            lines += _field(field, filing, language, _)
    if filing.papers:
        lines += ["", _("Documents:")]
        lines += list(_papers(filing, form, language))
    lines += ["", form.statement.said(language)]
    return whole(lines, filing, _)


def said_value(spec: Column, value: Cell, language: str, _: Words) -> str:
    """A value as it stands in a signed text: exact, with its unit."""
    if value is None:
        return "—"
    if spec.type is FieldType.CONFIRM:
        return _("yes") if value else "—"
    if spec.type is FieldType.CHOICE:
        return next((one.label.said(language) for one in spec.options if one.key == value), "—")
    unit = UNITS.get(spec.type) or (spec.unit.said(language) if spec.unit else "")
    text = plain_text(spec, value).replace("\n", " / ")
    return f"{text} {unit}".rstrip()


def _field(field: Field, filing: Filing, language: str, _: Words) -> Iterator[str]:
    value, label = filing.contents[field.key], field.label.said(language)
    if isinstance(value, list):
        yield f"{label}:"
        for number, row in enumerate(value, start=1):
            yield f"{number}. {_row(field, row, language, _)}"
        return
    said = f"{label}: {said_value(field, value, language, _)}"
    mark = ""
    if field.source is not None and value is not None:
        note = filing.notes.get(field.key)
        who = _("by the participant")
        mark = _("(by the State System)") if note is None else f"({who}: {note})"
    yield f"{said} {mark}".rstrip()


def _row(field: Field, row: Row, language: str, _: Words) -> str:
    return "; ".join(
        f"{column.label.said(language)} {said_value(column, row.get(column.key), language, _)}"
        for column in field.columns
    )


def _papers(filing: Filing, form: Form, language: str) -> Iterator[str]:
    labels = {one.key: one.label.said(language) for one in form.files}
    for number, one in enumerate(filing.papers, start=1):
        yield f"{number}. {labels.get(one.part, one.part)}: {one.name}, {one.size} B"
        yield f"   SHA-256 {one.sha256}"

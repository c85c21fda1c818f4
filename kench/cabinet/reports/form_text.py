"""What an officer signs when a form is put in, and how it differs from the one before. Pure."""

import difflib

import msgspec

from kench.cabinet.registration.bodies import line, whole
from kench.cabinet.registration.gaps import Words
from kench.cabinet.reports.form import Form
from kench.cabinet.words.catalogues import N_

LINES_MAX = 400
"""Lines of a comparison that are shown."""


def form_body(form: Form, language: str, _: Words) -> str:
    """A form to be signed."""
    lines = [
        line(_, N_("Form"), f"{form.kind} {form.version}, {form.title.said(language)}"),
        line(_, N_("In force from the period"), form.effective_from),
        line(_, N_("To be filed within"), f"{form.due.count} {_(DAYS[form.due.days.value])}"),
    ]
    if form.order is not None:
        lines.append(line(_, N_("Form set by order"), str(form.order)))
    if form.withdrawn:
        lines.append(_("From that period on it is not asked for any more."))
    known = _("by the State System")
    for part in form.parts:
        lines += ["", part.title.said(language)]
        for field in part.fields:
            source = f", {known}: {field.source}" if field.source else ""
            lines.append(f"{field.key}: {field.label.said(language)} ({field.type}{source})")
    if form.files:
        lines += ["", _("Documents:")]
        lines += [f"{one.key}: {one.label.said(language)}" for one in form.files]
    return whole(lines, form, _)


DAYS = {"working days": N_("working days"), "calendar days": N_("calendar days")}


def pretty(form: Form) -> str:
    """A form as people read and write it."""
    text = msgspec.json.encode(form, order="deterministic")
    return msgspec.json.format(text, indent=2).decode()


def changes(before: Form | None, after: Form) -> list[str]:
    """Lines that came and went, each with its sign; bounded."""
    old = [] if before is None else pretty(before).splitlines()
    found = difflib.unified_diff(old, pretty(after).splitlines(), n=2, lineterm="")
    lines = [one for one in found if not one.startswith(("---", "+++"))]
    return lines[:LINES_MAX]

"""Reports in tests: made for a period, filled in, signed, and a form that nobody knew before."""

from typing import Any

import msgspec
import sqlalchemy as sa

from kench.cabinet.registration.documents import keep_upload
from kench.cabinet.reports.deciding import (
    Verdict,
    decide_report,
    decision_on,
    report_decision_body,
)
from kench.cabinet.reports.facts import gather_facts
from kench.cabinet.reports.filing import Filing, filing_body
from kench.cabinet.reports.form import Form
from kench.cabinet.reports.form_store import StoredForm, forms_for
from kench.cabinet.reports.making import make_reports
from kench.cabinet.reports.papers import Paper, paper_of
from kench.cabinet.reports.periods import ReportPeriod, period_named
from kench.cabinet.reports.store import (
    ReportLine,
    facts_of,
    file_report,
    forms_of_report,
    read_report,
)
from kench.cabinet.reports.values import Value, read_values
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.signing.wording import Purpose
from kench.pool.moments import midnight_us
from tests.support.pki import PIN
from tests.support.registration import CALENDAR, DRAW, NOW_US, OFFICER_PIN, sign
from tests.support.signing import SECOND_US, enter

PDF = b"%PDF-1.7\n1 0 obj\n%%EOF\n"
MONTHLY = {
    "v-energy_kwh": "301 250", "v-energy_paid_tyiyn": "602500,50",
    "v-energy_supplier": "ОАО «Северэлектро»", "v-staff": "7",
    "v-stops-1-day": "2026-11-25", "v-stops-1-hours": "6", "v-stops-1-reason": "Ремонт подстанции",
    "v-remarks": "Без происшествий.",
}  # fmt: skip
QUARTERLY = {
    "v-assets_tyiyn": "1000000", "v-liabilities_tyiyn": "400000", "v-equity_tyiyn": "600000",
    "v-revenue_tyiyn": "250000.50", "v-profit_tyiyn": "-1500", "v-audited": "no",
    "v-approved_on": "2026-10-09", "v-tax_number": PIN,
}  # fmt: skip


def period(name: str) -> ReportPeriod:
    """The period of that name."""
    found = period_named(name)
    assert found is not None
    return found


def after_us(name: str, days: int = 2) -> int:
    """Some days after the end of a period, at noon."""
    return midnight_us(period(name).after) + (days * 24 + 12) * 3600 * SECOND_US


def stored(db: sa.Connection, kind: str, name: str) -> StoredForm:
    """The form of a kind that holds for a period."""
    return next(one for one in forms_for(db, period(name)) if one.form.kind == kind)


def report_made(
    db: sa.Connection, participant_id: int, name: str = "2026-11", kind: str = "monthly"
) -> int:
    """Make a participant's report; returns its number."""
    known = gather_facts(db, [participant_id], period(name))
    make_reports(
        db, stored(db, kind, name), period(name), known, now_us=after_us(name, 0),
        calendar=CALENDAR,
    )  # fmt: skip
    number = db.scalar(
        sa.text("SELECT id FROM reports WHERE (kind, period, participant_id) = (:k, :p, :n)"),
        {"k": kind, "p": name, "n": participant_id},
    )
    assert isinstance(number, int)
    return number


def line_of(db: sa.Connection, number: int) -> ReportLine:
    """The report."""
    line = read_report(db, number)
    assert line is not None
    return line


def papers_for(
    db: sa.Connection, form: Form, person_id: int, now_us: int, content: bytes = PDF
) -> tuple[Paper, ...]:
    """Upload every document that a form asks for."""
    papers: list[Paper] = []
    for part in form.files:
        if part.required:
            made = paper_of(form, part.key, f"{part.key}.pdf", content, papers)
            assert isinstance(made, Paper), made
            assert keep_upload(
                db, person_id, content, name=made.name, media_type=made.media_type, now_us=now_us
            )
            papers.append(made)
    return tuple(papers)


def filing_of(
    db: sa.Connection,
    number: int,
    typed: dict[str, str] | None = None,
    *,
    form: str | None = None,
    pin: str = PIN,
    now_us: int | None = None,
    **changed: Any,
) -> tuple[Filing, Form]:
    """What an owner files, with some of it changed."""
    line = line_of(db, number)
    now_us = now_us or after_us(line.period)
    held = next(one for one in forms_of_report(db, line) if one.form.kind == (form or line.kind))
    given = typed or (QUARTERLY if line.kind == "quarterly" else MONTHLY)
    values, notes, gaps = read_values(held.form, facts_of(db, number), given, "en")
    assert not gaps, [gap.said(str) for gap in gaps]
    login, _ = enter(db, pin, now_us=now_us, draw=DRAW)
    filing = Filing(
        number, line.participant_id, line.kind, line.period, held.form.kind, held.form.version,
        held.sha256.hex(), (line.version or 0) + 1, values, notes,
        papers_for(db, held.form, login.person.id, now_us),
    )  # fmt: skip
    return msgspec.structs.replace(filing, **changed), held.form


def signed_report(
    db: sa.Connection, filing: Filing, form: Form, pin: str = PIN, now_us: int | None = None
) -> SignedAct:
    """An owner's signature of a report."""
    body = filing_body(filing, form, "", "en", str)
    return sign(
        db, Purpose.REPORT, body, pin, subject=f"report {filing.report}",
        now_us=now_us or after_us(filing.period),
    )  # fmt: skip


def filed(
    db: sa.Connection, number: int, typed: dict[str, str] | None = None, **options: Any
) -> ReportLine:
    """File a report as its owner does; returns it as it is then."""
    pin, now_us = options.get("pin", PIN), options.get("now_us")
    filing, form = filing_of(db, number, typed, **options)
    file_report(db, signed_report(db, filing, form, pin, now_us))
    return line_of(db, number)


def decided_report(
    db: sa.Connection,
    number: int,
    verdict: Verdict = Verdict.ACCEPTED,
    remarks: str = "",
    *,
    pin: str = OFFICER_PIN,
    now_us: int = NOW_US,
    **changed: Any,
) -> SignedAct:
    """An officer signs what becomes of a filed report, with some of it changed."""
    line = line_of(db, number)
    decision = msgspec.structs.replace(decision_on(db, line, verdict, remarks), **changed)
    body = report_decision_body(decision, line, "", str)
    act = sign(db, Purpose.REPORT_DECISION, body, pin, now_us=now_us)
    decide_report(db, act)
    return act


def new_form(**changed: Any) -> dict[str, Any]:
    """A form that the code has never seen, as an officer writes it."""

    def said(text: str) -> dict[str, str]:
        return {"ky": f"ky {text}", "ru": f"ru {text}", "en": text}

    return {
        "kench_form": 1, "kind": "cooling", "version": 1, "every": "month", "order": 41,
        "effective_from": "2026-11", "due": {"count": 20, "days": "calendar days", "moves": True},
        "title": said("Cooling of machines"), "intro": said("By order 41."),
        "statement": said("So it is."),
        "parts": [{"title": said("Air and water"), "fields": [
            {"key": "machines", "type": "integer", "label": said("Machines"),
             "source": "machines", "editable": True, "summed": True},
            {"key": "water_m3", "type": "integer", "label": said("Water used"), "unit": said("m3"),
             "required": True, "least": 0, "most": 1000, "summed": True},
            {"key": "air", "type": "choice", "label": said("Air"), "required": True, "options": [
                {"key": "cold", "label": said("cold")}, {"key": "warm", "label": said("warm")}]},
        ]}],
    } | changed  # fmt: skip


Values = dict[str, Value]

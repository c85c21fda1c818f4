"""A filed report as a file: PDF or JSON, with the signed bytes and the signature in it."""

import base64
import hashlib
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.registration.bodies import data_of
from kench.cabinet.registration.documents import read_by_digest
from kench.cabinet.reports.deciding import ReportDecision
from kench.cabinet.reports.filing import Filing
from kench.cabinet.reports.form import Form
from kench.cabinet.reports.form_store import form_of
from kench.cabinet.reports.papers import Paper
from kench.cabinet.reports.store import (
    FilingLine,
    ReportLine,
    facts_of,
    filings_of,
    signed_filing,
)
from kench.cabinet.signing.acts import SignedAct, read_act
from kench.cabinet.web.downloads import file_response
from kench.cabinet.web.pages import page_text
from kench.cabinet.web.paper import Enclosed, PaperMissingError, pdf_of
from kench.cabinet.web.report_view import View
from kench.cabinet.web.visit import Visit
from kench.pool.moments import moment_text

FORMS = {"pdf": "application/pdf", "json": "application/json"}


class Filed(NamedTuple):
    """One version of a report, whole."""

    report: ReportLine
    line: FilingLine
    filing: Filing
    act: SignedAct
    form: Form
    facts: dict[str, Any]


def read_filed(db: sa.Connection, report: ReportLine, version: int | None = None) -> Filed:
    """A version that was filed, the newest if none is named; 404 where there is none."""
    lines = filings_of(db, report.id)
    line = next((one for one in reversed(lines) if version in {None, one.version}), None)
    if line is None:
        raise HTTPException(404)
    filing, act = signed_filing(db, line)
    form = form_of(db, line.form_kind, line.form_version).form
    return Filed(report, line, filing, act, form, facts_of(db, report.id))


def filed_response(request: Request, visit: Visit, filed: Filed, form: str) -> Response:
    """Return it as a file."""
    if form not in FORMS:
        raise HTTPException(404)
    report, version = filed.report, filed.line.version
    name = f"kench-report-{report.participant_id}-{report.kind}-{report.period}-{version}"
    record = record_of(filed)
    if form == "json":
        return file_response(record, f"{name}.json", FORMS[form])
    view = View(visit.language)
    html = page_text(
        request, visit.language, "reports/filed.html",
        {
            "lang": visit.language.value, "report": report, "line": filed.line,
            "form": filed.form, "act": filed.act, "papers": filed.filing.papers,
            "parts": view.reading(
                filed.form, filed.facts, filed.filing.contents, filed.filing.notes
            ),
            "labels": {one.key: one.label.said(visit.language.value) for one in filed.form.files},
            "sha256": hashlib.sha256(filed.act.content).hexdigest(),
        },
    )  # fmt: skip
    enclosed = (
        Enclosed(f"{name}.json", record, "The same as data, with the signed text and signature"),
        Enclosed("content.txt", filed.act.content, "The exact bytes that were signed"),
        Enclosed("signature.p7s", filed.act.signature, "The detached CMS signature (DER)"),
    )
    try:
        pdf = pdf_of(html, enclosed, filed.line.filed_at)
    except PaperMissingError as error:
        raise HTTPException(503) from error
    return file_response(pdf, f"{name}.pdf", FORMS[form])


def decided_response(db: sa.Connection, report: ReportLine, version: int | None) -> Response:
    """Return what an officer signed of a version, with the signature in it; 404 where nothing."""
    lines = filings_of(db, report.id)
    signed = [one for one in lines if one.decision_act_id and version in {None, one.version}]
    act = read_act(db, signed[-1].decision_act_id or 0) if signed else None
    if act is None:
        raise HTTPException(404)
    decision = data_of(act.content, ReportDecision)
    record = {"kench_report_decision": 1, "decision": decision} | _signed(act)
    content = msgspec.json.format(msgspec.json.encode(record), indent=2)
    name = f"kench-report-{report.participant_id}-{report.kind}-{report.period}-decision"
    return file_response(content, f"{name}-{decision.version}.json", FORMS["json"])


def record_of(filed: Filed) -> bytes:
    """The filing as JSON, with the signed bytes and the signature in it."""
    return msgspec.json.format(
        msgspec.json.encode(
            {
                "kench_report": 1,
                "filing": filed.filing,
                "filed_at": filed.line.filed_at.isoformat(),
                "late": filed.line.late,
                "outcome": filed.line.outcome,
            }
            | _signed(filed.act)
        ),
        indent=2,
    )


def _signed(act: SignedAct) -> dict[str, Any]:
    return {
        "signer": {"name": act.person.name, "pin": act.person.pin},
        "signed_at": moment_text(act.signed_us),
        "content_sha256": hashlib.sha256(act.content).hexdigest(),
        "content": base64.b64encode(act.content).decode(),
        "signature_p7s": base64.b64encode(act.signature).decode(),
    }


def paper_response(db: sa.Connection, papers: list[Paper], number: int) -> Response:
    """Return the `number`-th of a report's documents, counted from one."""
    if not 1 <= number <= len(papers):
        raise HTTPException(404)
    one = papers[number - 1]
    return file_response(read_by_digest(db, bytes.fromhex(one.sha256)), one.name, one.media_type)

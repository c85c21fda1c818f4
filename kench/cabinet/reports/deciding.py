"""What officers say of a filed report: signed, kept once of each filing, seen by its participant.

Every function that takes a connection takes it in a transaction and leaves the commit to its
caller.
"""

import hashlib
from enum import StrEnum

import msgspec
import sqlalchemy as sa

from kench.cabinet.alerts.letters import Letter
from kench.cabinet.registration.bodies import data_of, line, whole
from kench.cabinet.registration.gaps import Words
from kench.cabinet.registration.officers import check_officer, check_others
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.telling import tell_participant
from kench.cabinet.reports.queue import ROLES
from kench.cabinet.reports.store import (
    FilingLine,
    ReportLine,
    ReportState,
    filings_of,
    read_report,
    signed_filing,
    take_turns,
)
from kench.cabinet.reports.tables import report_decisions
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.words.catalogues import N_
from kench.pool.moments import moment_of

REMARKS_MAX = 4_000


class Verdict(StrEnum):
    """What an officer says of what was filed."""

    ACCEPTED = "accepted"
    RETURNED = "returned"


VERDICTS = {
    Verdict.ACCEPTED: N_("Decided: the report is accepted."),
    Verdict.RETURNED: N_("Decided: the report is sent back to be corrected."),
}


class ReportDecision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """On one version of a report."""

    report: int
    participant: int
    version: int
    filing_sha256: str
    """Of the bytes that the participant signed: what is decided on is what was seen."""
    verdict: Verdict
    remarks: str


def decision_on(
    db: sa.Connection, report: ReportLine, verdict: Verdict, remarks: str
) -> ReportDecision:
    """The decision on what was filed last; raises ActRefusedError where nothing waits."""
    filing = _waiting(db, report)
    _, act = signed_filing(db, filing)
    sha256 = hashlib.sha256(act.content).hexdigest()
    return ReportDecision(
        report.id, report.participant_id, filing.version, sha256, verdict, remarks
    )


def report_decision_body(decision: ReportDecision, report: ReportLine, title: str, _: Words) -> str:
    """A decision on a report to be signed; `title` is the report's."""
    lines = [
        line(_, N_("Report"), f"{decision.report}, {title}"),
        line(_, N_("Participant"), f"{decision.participant}, {report.name}"),
        line(_, N_("Period"), report.period),
        line(_, N_("Version"), str(decision.version)),
        line(_, N_("SHA-256 of the signed report"), decision.filing_sha256),
        _(VERDICTS[decision.verdict]),
    ]
    if decision.remarks:
        lines += ["", decision.remarks]
    return whole(lines, decision, _)


def decide_report(db: sa.Connection, act: SignedAct) -> tuple[ReportLine, Verdict]:
    """Carry out a signed decision on a report; raises ActRefusedError, BodyError."""
    decision = data_of(act.content, ReportDecision)
    check_officer(db, act, ROLES)
    take_turns(db, decision.report)
    report = read_report(db, decision.report)
    if report is None or report.participant_id != decision.participant:
        raise ActRefusedError(N_("There is no such report."))
    check_others(db, act, report.participant_id)
    filing = _waiting(db, report)
    _, filed = signed_filing(db, filing)
    sha256 = hashlib.sha256(filed.content).hexdigest()
    if (decision.version, decision.filing_sha256) != (filing.version, sha256):
        raise ActRefusedError(N_("This report was filed meanwhile: open it again."))
    if decision.verdict is Verdict.RETURNED and not decision.remarks:
        raise ActRefusedError(N_("Say what is to be corrected, in 4000 characters at most"))
    if filed.person.pin == act.person.pin:
        raise ActRefusedError(N_("Nobody decides on a report of their own."))
    db.execute(
        sa.insert(report_decisions).values(
            filing_id=filing.id,
            outcome=decision.verdict.value,
            remarks=decision.remarks,
            person_id=act.person.id,
            at=moment_of(act.signed_us),
            act_id=act.id,
        )
    )
    letter = {
        Verdict.ACCEPTED: Letter.REPORT_ACCEPTED, Verdict.RETURNED: Letter.REPORT_RETURNED,
    }[decision.verdict]  # fmt: skip
    tell_participant(
        db, report.participant_id, letter, f"reports/{report.id}", act.signed_us,
        number=report.id, version=report.version,
    )  # fmt: skip
    return report, decision.verdict


def _waiting(db: sa.Connection, report: ReportLine) -> FilingLine:
    """What was filed last, while it waits for an officer."""
    if report.state is not ReportState.FILED:
        raise ActRefusedError(N_("This report does not wait for an officer."))
    return filings_of(db, report.id)[-1]

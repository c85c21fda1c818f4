"""Reports in the database: what is due of whom, what was filed, what officers said of it.

Every function takes a connection in a transaction and leaves the commit to its caller.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from kench.cabinet.login.people import PeopleRole, acting_for
from kench.cabinet.registration.bodies import data_of
from kench.cabinet.registration.documents import check_digests
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.reports.drafts import drop_report_draft
from kench.cabinet.reports.filing import Filing
from kench.cabinet.reports.form_store import StoredForm, form_of, forms_for, instead_of
from kench.cabinet.reports.papers import check_papers
from kench.cabinet.reports.periods import ReportPeriod, period_named
from kench.cabinet.reports.tables import report_filings
from kench.cabinet.reports.values import Value, check_values
from kench.cabinet.signing.acts import SignedAct, read_act
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import Deadline, day_at
from kench.pool.moments import moment_of

REPORT_LOCK = 0x72657074
"""First key of the advisory lock under which one report is filed and decided on ("rept")."""
FIRST = 2**31 - 1
"""Beyond every report: where the newest begin."""
FILINGS_MAX = 50
"""Versions of one report; a correction too many is written to the officers."""


class ReportState(StrEnum):
    """What a report waits for."""

    DUE = "due"
    """For the participant, who has not filed it."""
    FILED = "filed"
    """For an officer."""
    RETURNED = "returned"
    """For the participant, to be corrected."""
    ACCEPTED = "accepted"
    """For nobody."""


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A report as it is listed."""

    id: int
    participant_id: int
    name: str
    kind: str
    period: str
    form_version: int
    region: str
    made_at: datetime
    deadline: Deadline
    version: int | None
    """Of the newest filing; None: nothing was filed yet."""
    filing_id: int | None
    filed_at: datetime | None
    late: bool
    """Whether what was filed first came after the deadline."""
    outcome: str | None
    """Of the newest filing."""

    @property
    def state(self) -> ReportState:
        """What it waits for."""
        if self.version is None:
            return ReportState.DUE
        return ReportState(self.outcome or ReportState.FILED)

    @property
    def is_open(self) -> bool:
        """Whether the participant is to do something."""
        return self.state in {ReportState.DUE, ReportState.RETURNED}

    def is_missing(self, today: date) -> bool:
        """Whether its day has passed and nothing that stands was filed."""
        return self.is_open and today > self.deadline.day

    @property
    def reported(self) -> ReportPeriod:
        """What it is about."""
        period = period_named(self.period)
        if period is None:
            raise AssertionError(f"report {self.id} is about {self.period}")
        return period


class FilingLine(NamedTuple):
    """One version of a report, and what an officer said of it."""

    id: int
    version: int
    form_kind: str
    form_version: int
    contents: dict[str, Value]
    act_id: int
    person_id: int
    filed_at: datetime
    late: bool
    outcome: str | None
    remarks: str | None
    decided_at: datetime | None
    officer: str | None
    decision_act_id: int | None
    """None of what officers said before they signed it."""


class Owed(NamedTuple):
    """A report that waits for its participant."""

    report_id: int
    period: str
    due: date


_OWED = sa.text("""
    SELECT report_id, period, due FROM report_queue
    WHERE participant_id = :participant AND state <> 'filed' ORDER BY due, report_id LIMIT 3
""")
_LINES = """
    SELECT reports.id, reports.participant_id, participants.name, reports.kind, reports.period,
        reports.form_version, region, made_at, reports.due, calendar, newest.version,
        newest.id AS filing_id, newest.filed_at, coalesce(first.late, false) AS late, outcome
    FROM reports JOIN participants ON participants.id = reports.participant_id
    LEFT JOIN LATERAL (
        SELECT id, version, filed_at FROM report_filings WHERE report_id = reports.id
        ORDER BY version DESC LIMIT 1
    ) AS newest ON true
    LEFT JOIN report_filings AS first ON first.report_id = reports.id AND first.version = 1
    LEFT JOIN report_decisions ON filing_id = newest.id
"""
_ONE = sa.text(f"{_LINES} WHERE reports.id = :id")
_OF_PARTICIPANT = sa.text(f"""{_LINES}
    WHERE reports.participant_id = :participant AND reports.id < :before
    ORDER BY reports.id DESC LIMIT :most
""")
_OF_PERIOD = sa.text(f"""{_LINES}
    WHERE reports.kind = :kind AND reports.period = :period AND reports.participant_id > :after
    ORDER BY reports.participant_id LIMIT :most
""")
_QUEUED = """
    JOIN report_queue ON report_queue.report_id = reports.id
    WHERE report_queue.kind = :kind AND report_queue.period = :period
        AND report_queue.state = ANY(CAST(:states AS text[])) {only}
        AND report_queue.participant_id > :after
    ORDER BY report_queue.participant_id LIMIT :most
"""
_WAITING = sa.text(_LINES + _QUEUED.format(only=""))
_MISSING = sa.text(_LINES + _QUEUED.format(only="AND report_queue.due < :today"))
_DUE = sa.text(_LINES + _QUEUED.format(only="AND report_queue.due >= :today"))
_LATE = sa.text(f"""{_LINES}
    WHERE reports.kind = :kind AND reports.period = :period AND reports.participant_id > :after
        AND reports.id IN (SELECT report_id FROM report_filings WHERE late AND version = 1)
    ORDER BY reports.participant_id LIMIT :most
""")  # noqa: S608 - constants
_FILED = sa.text(f"""{_LINES}
    JOIN report_queue ON report_queue.report_id = reports.id
    WHERE report_queue.state = 'filed' AND (report_queue.due, reports.id)
        > (coalesce((SELECT due FROM reports AS one WHERE one.id = :after), '-infinity'), :after)
    ORDER BY report_queue.due, report_queue.report_id LIMIT :most
""")  # noqa: S608 - constants
_CONTENTS = sa.text("""
    SELECT DISTINCT ON (report_id) report_id, contents
    FROM report_filings WHERE report_id = ANY(CAST(:ids AS integer[]))
    ORDER BY report_id, version DESC
""")
_FACTS = sa.text("SELECT facts FROM reports WHERE id = :id")
_FILINGS = sa.text("""
    SELECT report_filings.id, version, form_kind, form_version, contents,
        report_filings.act_id, report_filings.person_id, filed_at, late, outcome, remarks,
        report_decisions.at, persons.name, report_decisions.act_id AS decision_act_id
    FROM report_filings LEFT JOIN report_decisions ON filing_id = report_filings.id
    LEFT JOIN persons ON persons.id = report_decisions.person_id
    WHERE report_id = :id ORDER BY version
""")


def read_report(db: sa.Connection, report_id: int) -> ReportLine | None:
    """One report."""
    return next(iter(_lines(db, _ONE, id=report_id)), None)


def reports_of(
    db: sa.Connection, participant_id: int, *, before: int = FIRST, at_most: int = 50
) -> list[ReportLine]:
    """A participant's, the newest first, before one."""
    asked = {"participant": participant_id, "before": before, "most": at_most}
    return _lines(db, _OF_PARTICIPANT, **asked)


def reports_in(
    db: sa.Connection, kind: str, period: str, *, after: int = 0, at_most: int
) -> list[ReportLine]:
    """All of a period, by participant, after one."""
    return _lines(db, _OF_PERIOD, kind=kind, period=period, after=after, most=at_most)


def waiting_in(  # noqa: PLR0913 - which of them
    db: sa.Connection,
    kind: str,
    period: str,
    states: tuple[ReportState, ...],
    *,
    after: int = 0,
    at_most: int,
    missing_on: date | None = None,
    due_on: date | None = None,
) -> list[ReportLine]:
    """Those of a period that wait; only those that are missing on a day, or are not yet."""
    asked = {
        "kind": kind,
        "period": period,
        "states": [state.value for state in states],
        "after": after,
    }
    if missing_on is not None:
        return _lines(db, _MISSING, **asked, most=at_most, today=missing_on)
    if due_on is not None:
        return _lines(db, _DUE, **asked, most=at_most, today=due_on)
    return _lines(db, _WAITING, **asked, most=at_most)


def late_in(
    db: sa.Connection, kind: str, period: str, *, after: int = 0, at_most: int
) -> list[ReportLine]:
    """Those of a period that were first filed after their day."""
    return _lines(db, _LATE, kind=kind, period=period, after=after, most=at_most)


def owed_by(db: sa.Connection, participant_id: int) -> list[Owed]:
    """What a participant is to file or to correct, the most urgent first; a few of it."""
    return [Owed(*row) for row in db.execute(_OWED, {"participant": participant_id})]


def next_filed(db: sa.Connection, *, after: int = 0, at_most: int) -> list[ReportLine]:
    """Those of all periods that wait for an officer, the oldest first, after one of them."""
    return _lines(db, _FILED, after=after, most=at_most)


def contents_of(db: sa.Connection, ids: list[int]) -> dict[int, dict[str, Value]]:
    """What was filed last of each report."""
    return {row.report_id: row.contents for row in db.execute(_CONTENTS, {"ids": ids})}


def facts_of(db: sa.Connection, report_id: int) -> dict[str, Value]:
    """What the system knew when the report was made."""
    return dict(db.execute(_FACTS, {"id": report_id}).scalar_one())


def filings_of(db: sa.Connection, report_id: int) -> list[FilingLine]:
    """Every version that was filed, the first first."""
    return [FilingLine(*row) for row in db.execute(_FILINGS, {"id": report_id})]


def signed_filing(db: sa.Connection, filing: FilingLine) -> tuple[Filing, SignedAct]:
    """A filing as it was signed, and the act."""
    act = read_act(db, filing.act_id)
    if act is None:
        raise AssertionError(f"filing {filing.id} has no signed act")
    return data_of(act.content, Filing), act


def forms_of_report(db: sa.Connection, report: ReportLine) -> list[StoredForm]:
    """The forms that a report may be filed with: its own first."""
    own = form_of(db, report.kind, report.form_version)
    return [own, *instead_of(forms_for(db, report.reported), report.kind)]


def file_report(db: sa.Connection, act: SignedAct) -> ReportLine:
    """Keep a signed report as its next version; raises ActRefusedError, BodyError."""
    filing = data_of(act.content, Filing)
    take_turns(db, filing.report)
    report = read_report(db, filing.report)
    if report is None or (report.participant_id, report.kind, report.period) != (
        filing.participant, filing.kind, filing.period
    ):  # fmt: skip
        raise ActRefusedError(N_("There is no such report."))
    acts = acting_for(db, act.person.pin, report.participant_id)
    if acts is None or acts.role is not PeopleRole.OWNER:
        raise ActRefusedError(N_("Only an owner signs reports of a participant."))
    if filing.version != (report.version or 0) + 1 or filing.version > FILINGS_MAX:
        raise ActRefusedError(N_("This report was filed meanwhile: open it again."))
    _check_contents(db, report, filing, act)
    db.execute(
        sa.insert(report_filings).values(
            report_id=report.id,
            version=filing.version,
            form_kind=filing.form,
            form_version=filing.form_version,
            contents=msgspec.to_builtins(filing.contents),
            act_id=act.id,
            person_id=act.person.id,
            filed_at=moment_of(act.signed_us),
            late=day_at(act.signed_us) > report.deadline.day,
        )
    )
    drop_report_draft(db, act.person.id, report.participant_id, report.id)
    return report


def _check_contents(db: sa.Connection, report: ReportLine, filing: Filing, act: SignedAct) -> None:
    stored = next(
        (one for one in forms_of_report(db, report)
         if (one.form.kind, one.form.version, one.sha256.hex())
         == (filing.form, filing.form_version, filing.form_sha256)), None,
    )  # fmt: skip
    if stored is None:
        raise ActRefusedError(N_("This report is filed with another form: open it again."))
    facts = facts_of(db, report.id)
    gaps = check_values(stored.form, facts, filing.contents, filing.notes)
    if gaps or check_papers(stored.form, filing.papers):
        raise ActRefusedError(N_("This report lacks something: open it again."))
    earlier = {
        paper.sha256
        for one in filings_of(db, report.id)
        for paper in signed_filing(db, one)[0].papers
    }
    wanted = {one.sha256 for one in filing.papers} - earlier
    check_digests(db, act.person.id, {bytes.fromhex(digest) for digest in wanted})


def take_turns(db: sa.Connection, report_id: int) -> None:
    """Wait until nobody else files or decides on this report; until the commit."""
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(REPORT_LOCK, report_id)))


def _lines(db: sa.Connection, query: sa.TextClause, **asked: Any) -> list[ReportLine]:
    return [
        ReportLine(
            row.id, row.participant_id, row.name, row.kind, row.period, row.form_version,
            row.region, row.made_at, Deadline(row.due, row.calendar), row.version, row.filing_id,
            row.filed_at, row.late, row.outcome,
        )
        for row in db.execute(query, asked)
    ]  # fmt: skip

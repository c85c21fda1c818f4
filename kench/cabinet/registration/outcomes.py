"""What follows from a signature, in the transaction in which it is kept; by its purpose.

Each raises ActRefusedError where it cannot follow: then nothing is kept at all.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import sqlalchemy as sa

from kench.cabinet.alerts.letters import Letter
from kench.cabinet.alerts.sending import sends_letters
from kench.cabinet.cabinet import Cabinet
from kench.cabinet.desk.lot_signing import take_resolution
from kench.cabinet.desk.order_signing import take_order
from kench.cabinet.income.signing import sign_period
from kench.cabinet.inspections.store import keep_outcome
from kench.cabinet.measures.store import keep_suspension, lift_suspension
from kench.cabinet.messages.circulars import keep_circular
from kench.cabinet.messages.store import keep_answer, keep_message
from kench.cabinet.registration.application import Application
from kench.cabinet.registration.bodies import Withdrawal, data_of
from kench.cabinet.registration.cases import submit, withdraw
from kench.cabinet.registration.entering import decide, exclude
from kench.cabinet.registration.notice_store import notify, read_notice_case, withdraw_notice
from kench.cabinet.registration.notices import Notice
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.telling import ask_contact, tell_participant
from kench.cabinet.registry.extracts import keep_extract
from kench.cabinet.reports.deciding import decide_report
from kench.cabinet.reports.form_store import put_form
from kench.cabinet.reports.store import file_report
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import WorkingDays

Outcome = Callable[[sa.Connection, SignedAct, Cabinet], str]
"""Does what follows, and says which page comes next."""


def calendar_of(cabinet: Cabinet, at_us: int) -> WorkingDays:
    """The calendar as it is known at a moment."""
    return WorkingDays.at(cabinet.orders.book, at_us)


def _application(db: sa.Connection, act: SignedAct, cabinet: Cabinet) -> str:
    number = submit(db, act, calendar_of(cabinet, act.signed_us))
    if sends_letters(cabinet.settings):
        ask_contact(db, act, data_of(act.content, Application).applicant.email)
    return f"/applications/{number}?said=applied"


def _notice(db: sa.Connection, act: SignedAct, cabinet: Cabinet) -> str:
    number = notify(db, act, calendar_of(cabinet, act.signed_us))
    case = read_notice_case(db, number)
    changes = data_of(act.content, Notice).changes
    if changes is not None and changes.email and sends_letters(cabinet.settings):
        ask_contact(db, act, changes.email)
    return f"/p/{case.participant_id if case else 0}/notices?said=notified"


def _withdrawal(db: sa.Connection, act: SignedAct, _cabinet: Cabinet) -> str:
    withdrawal = data_of(act.content, Withdrawal)
    if withdrawal.application is not None:
        withdraw(db, act, withdrawal.application)
        return f"/applications/{withdrawal.application}?said=withdrawn"
    if withdrawal.notice is not None:
        return f"/p/{withdraw_notice(db, act, withdrawal.notice)}/notices?said=withdrawn"
    raise ActRefusedError(N_("This withdraws nothing."))


def _decision(db: sa.Connection, act: SignedAct, _cabinet: Cabinet) -> str:
    return f"/desk/applications/{decide(db, act).id}?said=decided"


def _exclusion(db: sa.Connection, act: SignedAct, _cabinet: Cabinet) -> str:
    return f"/desk/participants/{exclude(db, act)}?said=decided"


def _suspension(db: sa.Connection, act: SignedAct, _cabinet: Cabinet) -> str:
    whose, _ = keep_suspension(db, act)
    return f"/desk/participants/{whose}/suspension?said=decided"


def _lifting(db: sa.Connection, act: SignedAct, _cabinet: Cabinet) -> str:
    whose, _ = lift_suspension(db, act)
    return f"/desk/participants/{whose}/suspension?said=decided"


def _message(db: sa.Connection, act: SignedAct, _cabinet: Cabinet) -> str:
    line = keep_message(db, act)
    whose = line.participant_id
    tell_participant(db, whose, Letter.MESSAGE, f"messages/{line.id}", act.signed_us, number=whose)
    return f"/desk/participants/{whose}/messages?said=message_sent"


def _answer(db: sa.Connection, act: SignedAct, _cabinet: Cabinet) -> str:
    line = keep_answer(db, act)
    return f"/p/{line.participant_id}/messages/{line.id}?said=message_answered"


def _order(db: sa.Connection, act: SignedAct, cabinet: Cabinet) -> str:
    # Asked before the register is locked: a node may take its time.
    tip_height = cabinet.chain.tip_now()
    signed = take_order(db, act, tip_height=tip_height, verifier=cabinet.verifier)
    said = "order_signed" if signed.missing else "order_accepted"
    return f"/desk/orders/{signed.document.number}?said={said}"


def _extract(db: sa.Connection, act: SignedAct, _cabinet: Cabinet) -> str:
    return f"/desk/register/{keep_extract(db, act).participant_id}?said=extract_made"


def _report(db: sa.Connection, act: SignedAct, _cabinet: Cabinet) -> str:
    line = file_report(db, act)
    return f"/p/{line.participant_id}/reports/{line.id}?said=report_filed"


def _report_form(db: sa.Connection, act: SignedAct, _cabinet: Cabinet) -> str:
    return f"/desk/reports/forms/{put_form(db, act)}?said=form_put"


def _report_decision(db: sa.Connection, act: SignedAct, _cabinet: Cabinet) -> str:
    line, verdict = decide_report(db, act)
    return f"/desk/reports/{line.id}?said=report_{verdict.value}"


def _circular(db: sa.Connection, act: SignedAct, _cabinet: Cabinet) -> str:
    return f"/desk/circulars/{keep_circular(db, act).id}?said=circular_sent"


def _inspection(db: sa.Connection, act: SignedAct, _cabinet: Cabinet) -> str:
    return f"/desk/inspections/{keep_outcome(db, act).id}?said=inspection_signed"


def _lot(db: sa.Connection, act: SignedAct, _cabinet: Cabinet) -> str:
    lot, complete = take_resolution(db, act)
    said = "lot_wished" if complete else "lot_signed"
    return f"/desk/lots/{lot.block_hash}/{lot.vout}?said={said}"


def _period(db: sa.Connection, act: SignedAct, _cabinet: Cabinet) -> str:
    data, is_done = sign_period(db, act)
    return f"/desk/income/{data.period}?said={'period_done' if is_done else 'period_signed'}"


OUTCOMES: Mapping[Purpose, Outcome] = MappingProxyType(
    {
        Purpose.APPLICATION: _application,
        Purpose.NOTICE: _notice,
        Purpose.WITHDRAWAL: _withdrawal,
        Purpose.DECISION: _decision,
        Purpose.EXCLUSION: _exclusion,
        Purpose.SUSPENSION: _suspension,
        Purpose.LIFTING: _lifting,
        Purpose.MESSAGE: _message,
        Purpose.ANSWER: _answer,
        Purpose.EXTRACT: _extract,
        Purpose.PERIOD: _period,
        Purpose.REOPENING: _period,
        Purpose.REPORT: _report,
        Purpose.REPORT_FORM: _report_form,
        Purpose.REPORT_DECISION: _report_decision,
        Purpose.CIRCULAR: _circular,
        Purpose.INSPECTION: _inspection,
        Purpose.ORDER: _order,
        Purpose.LOT: _lot,
    }
)

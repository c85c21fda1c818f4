"""Notices in the database: made, taken back, entered by officers, taking effect on their day.

Every function takes a connection in a transaction and leaves the commit to its caller.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from kench.cabinet.login.people import PeopleRole, acting_for
from kench.cabinet.registration.accounts import enter_account
from kench.cabinet.registration.bodies import data_of
from kench.cabinet.registration.documents import check_uploaded, drop_draft
from kench.cabinet.registration.membership import (
    Entry,
    add_entry,
    certificate_with,
    current_entry,
    history_of,
    move,
    state_of,
)
from kench.cabinet.registration.notices import Notice, first_day, timing_of
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.states import (
    OPEN_STATES,
    Act,
    Machine,
    NoticeKind,
    NoticeState,
    ParticipantState,
    transition,
)
from kench.cabinet.registration.tables import membership_events, notice_events, notices
from kench.cabinet.registration.telling import tell_of_notice
from kench.cabinet.registration.waiting import PAGE, due_notices, waiting_notices, waiting_of
from kench.cabinet.signing.acts import SignedAct, read_act
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import Deadline, WorkingDays, day_at
from kench.pool.moments import moment_of
from kench.pool.register import participants, rename_participant

NOTICES_LOCK = 0x6E6F7465
"""First key of the advisory lock under which one participant's notices take turns ("note")."""
SHOWN_MAX = 200


class NoticeEvent(NamedTuple):
    """One step of a notice's way."""

    act: str
    state: str
    at: datetime


@dataclass(frozen=True, slots=True)
class NoticeCase:
    """A notice and what became of it."""

    id: int
    participant_id: int
    participant: str
    person_id: int
    """Who signed it."""
    act_id: int
    kind: NoticeKind
    made_at: datetime
    late: bool
    day: date | None
    until: date | None
    enter_by: Deadline | None
    calendar: str
    events: tuple[NoticeEvent, ...]

    @property
    def state(self) -> NoticeState:
        """What it is now."""
        return NoticeState(self.events[-1].state)

    @property
    def is_waiting(self) -> bool:
        """Whether it may still be taken back."""
        return self.state is NoticeState.WAITING


def notify(db: sa.Connection, act: SignedAct, calendar: WorkingDays) -> int:
    """Take a signed notice; return its number. Raises ActRefusedError, BodyError."""
    notice = data_of(act.content, Notice)
    take_turns(db, notice.participant)
    _check_owner(db, act, notice.participant)
    today = day_at(act.signed_us)
    _check_moment(db, notice, today, calendar)
    check_uploaded(db, act.person.id, notice.attachments)
    timing = timing_of(notice, today, calendar)
    made: int = db.execute(
        sa.insert(notices)
        .values(
            participant_id=notice.participant,
            person_id=act.person.id,
            act_id=act.id,
            kind=notice.kind.value,
            made_at=moment_of(act.signed_us),
            late=timing.late,
            day=notice.day,
            until=notice.until,
            enter_by=timing.enter_by.day if timing.enter_by else None,
            calendar=calendar.version,
        )
        .returning(notices.c.id)
    ).scalar_one()
    _add_event(db, made, None, Act.NOTIFY, act.signed_us, act.person.id, act.id)
    if notice.kind is NoticeKind.RESUMPTION:
        move(
            db, notice.participant, Act.RESUME,
            now_us=act.signed_us, act_id=act.id, notice_id=made,
        )  # fmt: skip
        _add_event(db, made, NoticeState.WAITING, Act.TAKE_EFFECT, act.signed_us)
    drop_draft(db, act.person.id, draft_of(notice.participant, notice.kind))
    return made


def draft_of(participant_id: int, kind: NoticeKind) -> str:
    """Under which name the draft of a notice is kept."""
    return f"p/{participant_id}/{kind}"


def withdraw_notice(db: sa.Connection, act: SignedAct, notice_id: int) -> int:
    """Take a waiting notice back; return its participant. Raises ActRefusedError."""
    case = read_notice_case(db, notice_id)
    if case is None:
        raise ActRefusedError(N_("There is no such notice."))
    take_turns(db, case.participant_id)
    _check_owner(db, act, case.participant_id)
    case = read_notice_case(db, notice_id) or case
    _add_event(db, notice_id, case.state, Act.WITHDRAW, act.signed_us, act.person.id, act.id)
    return case.participant_id


def enter_notice(db: sa.Connection, notice_id: int, officer_id: int, now_us: int) -> None:
    """Bring the register, or where money goes, to what a notice says.

    The officer (a person) was seen to be one.

    Raises ActRefusedError.
    """
    case = read_notice_case(db, notice_id)
    if case is None or not case.kind.is_entered:
        raise ActRefusedError(N_("There is no such notice."))
    take_turns(db, case.participant_id)
    case = read_notice_case(db, notice_id) or case
    if case.person_id == officer_id:
        raise ActRefusedError(N_("Nobody enters a notice of their own."))
    _add_event(db, notice_id, case.state, Act.ENTER, now_us, officer_id)
    notice, before = notice_of(db, case), current_entry(db, case.participant_id)
    if notice.account is not None:
        enter_account(
            db, case.participant_id, notice.account,
            notice_id=notice_id, entered_by=officer_id, now_us=now_us,
        )  # fmt: skip
        return
    if before is None:
        raise ActRefusedError(N_("The register has no entry of this participant to change."))
    entry = entry_with(before.entry, notice)
    add_entry(
        db, case.participant_id, entry,
        act_id=case.act_id, entered_by=officer_id, now_us=now_us,
    )  # fmt: skip
    if entry.applicant.name != before.entry.applicant.name:
        rename_participant(db, case.participant_id, entry.applicant.name)


def entry_with(entry: Entry, notice: Notice) -> Entry:
    """An entry as a notice has changed it."""
    changes = notice.changes
    applicant, certificate = entry.applicant, entry.certificate
    if changes is not None:
        given = {
            name: value
            for name in ("name", "address", "phone", "email")
            if (value := getattr(changes, name))
        }
        applicant = msgspec.structs.replace(applicant, **given)
        certificate = certificate_with(
            certificate, changes.certificate_number, changes.certificate_issued
        )
    return Entry(applicant, certificate, notice.equipment or entry.equipment)


def take_effect(db: sa.Connection, now_us: int) -> int:
    """Do what has fallen due: suspensions, exits, returns; return how many."""
    today, done = day_at(now_us), 0
    for number in due_notices(db, today):
        case = read_notice_case(db, number)
        if case is not None:
            take_turns(db, case.participant_id)
            case = read_notice_case(db, number)
        if case is not None and case.is_waiting:
            _take_one(db, case, now_us)
            done += 1
    for participant_id, notice_id in _returns(db, today):
        take_turns(db, participant_id)
        last = history_of(db, participant_id)[-1]
        if (last.act, last.notice_id) == (Act.SUSPEND, notice_id) and state_of(
            db, participant_id
        ) is ParticipantState.SUSPENDED:
            move(db, participant_id, Act.RETURN, now_us=now_us, notice_id=notice_id)
            done += 1
    return done


def own_suspension(db: sa.Connection, participant_id: int, today: date) -> int | None:
    """The notice by which a participant would be suspended now, had nobody else suspended it."""
    done, events = notice_events.c, membership_events.c
    ended = sa.select(events.id).where(
        events.participant_id == participant_id,
        events.act.in_([Act.RESUME.value, Act.RETURN.value]),
        events.at >= done.at,
    )
    running = (
        sa.select(notices.c.id)
        .join_from(notices, notice_events, done.notice_id == notices.c.id)
        .where(
            notices.c.participant_id == participant_id,
            notices.c.kind == NoticeKind.SUSPENSION.value,
            sa.func.coalesce(notices.c.until, date.max) > today,
            done.state == NoticeState.DONE.value,
            ~ended.exists(),
        )
    )
    return db.scalar(running.order_by(notices.c.id.desc()).limit(1))


def lapse_waiting(db: sa.Connection, participant_id: int, now_us: int) -> None:
    """End what waits of a participant that is none any more."""
    for number, kind in waiting_of(db, participant_id).items():
        if not kind.outlasts_membership:
            _add_event(db, number, NoticeState.WAITING, Act.LAPSE, now_us)


def notice_of(db: sa.Connection, case: NoticeCase) -> Notice:
    """What was declared, read from the signed bytes."""
    act = read_act(db, case.act_id)
    if act is None:
        raise AssertionError(f"notice {case.id} has no signed act")
    return data_of(act.content, Notice)


def read_notice_case(db: sa.Connection, notice_id: int) -> NoticeCase | None:
    """One notice."""
    return next(iter(_cases(db, notices.c.id == notice_id)), None)


def notices_of(db: sa.Connection, participant_id: int) -> list[NoticeCase]:
    """A participant's notices, the newest first."""
    return _cases(db, notices.c.participant_id == participant_id, notices.c.id.desc())


def next_notices(
    db: sa.Connection, *, after: int | None = None, at_most: int = PAGE
) -> list[NoticeCase]:
    """Notices that wait, the most urgent first, after one of them."""
    numbers = waiting_notices(db, after=after, at_most=at_most)
    return _cases(
        db, notices.c.id.in_(numbers), sa.func.coalesce(notices.c.enter_by, notices.c.day)
    )


def _take_one(db: sa.Connection, case: NoticeCase, now_us: int) -> None:
    state = state_of(db, case.participant_id, for_update=True)
    act, already = {
        NoticeKind.SUSPENSION: (Act.SUSPEND, ParticipantState.SUSPENDED),
        NoticeKind.EXIT: (Act.LEAVE, ParticipantState.LEFT),
    }[case.kind]
    if state in {ParticipantState.LEFT, ParticipantState.EXCLUDED}:
        _add_event(db, case.id, case.state, Act.LAPSE, now_us)
        return
    _add_event(db, case.id, case.state, Act.TAKE_EFFECT, now_us)
    # Announced by itself while the authorised body suspends it: it runs beneath.
    barred = state is ParticipantState.BARRED and act is Act.SUSPEND
    if state is not already and not barred:
        move(db, case.participant_id, act, now_us=now_us, notice_id=case.id)
    if act is Act.LEAVE:
        lapse_waiting(db, case.participant_id, now_us)


def _returns(db: sa.Connection, today: date) -> list[tuple[int, int]]:
    """Participants whose announced suspension is over, with its notice."""
    rows = db.execute(
        sa.select(notices.c.participant_id, notices.c.id)
        .join_from(notices, participants, notices.c.participant_id == participants.c.id)
        .join(notice_events, notice_events.c.notice_id == notices.c.id)
        .where(
            notices.c.until <= today,
            participants.c.state == "suspended",
            notice_events.c.state == NoticeState.DONE.value,
        )
        .order_by(notices.c.id.desc())
        .limit(SHOWN_MAX)
    )
    return [(row.participant_id, row.id) for row in rows]


def _check_owner(db: sa.Connection, act: SignedAct, participant_id: int) -> None:
    acts = acting_for(db, act.person.pin, participant_id)
    if acts is None or acts.role is not PeopleRole.OWNER:
        raise ActRefusedError(N_("Only an owner signs notices of a participant."))


def _check_moment(db: sa.Connection, notice: Notice, today: date, calendar: WorkingDays) -> None:
    state = state_of(db, notice.participant, for_update=True)
    if state not in OPEN_STATES and (state is None or not notice.kind.outlasts_membership):
        raise ActRefusedError(N_("Who is no participant any more gives no notices."))
    if notice.kind is NoticeKind.SUSPENSION and state is not ParticipantState.REGISTERED:
        raise ActRefusedError(N_("The participant is suspended already."))
    if notice.kind is NoticeKind.RESUMPTION:
        events = history_of(db, notice.participant)
        if state is not ParticipantState.SUSPENDED or not events or events[-1].act != Act.SUSPEND:
            # What the authorised body or an operator suspended does not end by itself.
            raise ActRefusedError(N_("There is no suspension of your own to end."))
    if notice.kind.has_day and notice.day is not None:
        # Midnight may have come between the page and the signature.
        first = first_day(notice.kind, today, calendar)
        if notice.day < first:
            raise ActRefusedError(
                N_("The law lets it begin on %(day)s or later"), day=first.isoformat()
            )
    if notice.kind.waits_alone and notice.kind in waiting_of(db, notice.participant).values():
        raise ActRefusedError(N_("A notice of this kind waits already: withdraw it first."))


def take_turns(db: sa.Connection, participant_id: int) -> None:
    """Wait until nobody else moves this participant's notices or state; until the commit."""
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(NOTICES_LOCK, participant_id)))


def _add_event(  # noqa: PLR0913, PLR0917 - one row
    db: sa.Connection,
    notice_id: int,
    before: NoticeState | None,
    done: Act,
    at_us: int,
    person_id: int | None = None,
    act_id: int | None = None,
) -> None:
    after = transition(Machine.NOTICE, before, done).after
    db.execute(
        sa.insert(notice_events).values(
            notice_id=notice_id,
            act=done.value,
            state=after.value,
            at=moment_of(at_us),
            person_id=person_id,
            act_id=act_id,
        )
    )
    tell_of_notice(db, notice_id, done, at_us)


def _cases(
    db: sa.Connection,
    which: sa.ColumnElement[bool],
    turn: "sa.ColumnElement[Any] | None" = None,
) -> list[NoticeCase]:
    order = (notices.c.id,) if turn is None else (turn, notices.c.id)
    rows = db.execute(
        sa.select(notices, participants.c.name.label("participant"))
        .join_from(notices, participants, notices.c.participant_id == participants.c.id)
        .where(which)
        .order_by(*order)
        .limit(SHOWN_MAX)
    ).all()
    events = _events(db, [row.id for row in rows])
    return [
        NoticeCase(
            row.id,
            row.participant_id,
            row.participant,
            row.person_id,
            row.act_id,
            NoticeKind(row.kind),
            row.made_at,
            row.late,
            row.day,
            row.until,
            Deadline(row.enter_by, row.calendar) if row.enter_by else None,
            row.calendar,
            tuple(events[row.id]),
        )
        for row in rows
    ]


def _events(db: sa.Connection, ids: Iterable[int]) -> dict[int, list[NoticeEvent]]:
    table = notice_events
    rows = db.execute(
        sa.select(table.c.notice_id, table.c.act, table.c.state, table.c.at)
        .where(table.c.notice_id.in_(list(ids)))
        .order_by(table.c.notice_id, table.c.id)
    )
    found = defaultdict[int, list[NoticeEvent]](list)
    for row in rows:
        found[row.notice_id].append(NoticeEvent(row.act, row.state, row.at))
    return found

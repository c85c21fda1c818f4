"""Applications in the database: handed in, withdrawn, found with their history and deadline.

Every function takes a connection in a transaction and leaves the commit to its caller.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.cabinet.login.tables import persons
from kench.cabinet.registration.application import Application
from kench.cabinet.registration.bodies import data_of
from kench.cabinet.registration.documents import check_uploaded, drop_draft
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.states import Act, ApplicationState, Machine, transition
from kench.cabinet.registration.tables import application_events, applications
from kench.cabinet.registration.terms import DECISION
from kench.cabinet.registration.waiting import PAGE, open_applications
from kench.cabinet.signing.acts import SignedAct, read_act
from kench.cabinet.signing.tables import signed_acts
from kench.cabinet.words.catalogues import N_
from kench.pool.calendar import Deadline, WorkingDays, day_at
from kench.pool.moments import moment_of

APPLICATIONS_LOCK = 0x6170706C
"""First key of the advisory lock under which one person's applications take turns ("appl")."""
CASE_LOCK = 0x63617365
"""First key of the advisory lock under which one application is moved ("case")."""
SHOWN_MAX = 200
"""Cases of one person or number that are shown."""
FIRST = 2**31 - 1
"""Beyond every application: where the newest begin."""


class CaseEvent(NamedTuple):
    """One step of an application's way."""

    act: str
    state: str
    at: datetime
    person: str
    act_id: int
    participant_id: int | None


@dataclass(frozen=True, slots=True)
class Case:
    """An application, by whom, until when it is decided, and what became of it."""

    id: int
    person_id: int
    person: str
    act_id: int
    name: str
    tax_number: str
    submitted_at: datetime
    deadline: Deadline
    events: tuple[CaseEvent, ...]

    @property
    def state(self) -> ApplicationState:
        """What it is now."""
        return ApplicationState(self.events[-1].state)

    @property
    def is_open(self) -> bool:
        """Whether it waits for a decision."""
        return self.state is ApplicationState.SUBMITTED

    @property
    def participant_id(self) -> int | None:
        """Whom it made a participant."""
        return self.events[-1].participant_id


def submit(db: sa.Connection, act: SignedAct, calendar: WorkingDays) -> int:
    """Take a signed application; return its number. Raises ActRefusedError, BodyError."""
    application = data_of(act.content, Application)
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(APPLICATIONS_LOCK, act.person.id)))
    check_uploaded(db, act.person.id, application.attachments)
    number = application.applicant.tax_number
    if any(one.is_open and one.tax_number == number for one in cases_of(db, act.person.id)):
        raise ActRefusedError(N_("An application of yours for this tax number is open already."))
    deadline = DECISION.deadline(day_at(act.signed_us), calendar)
    made: int = db.execute(
        sa.insert(applications)
        .values(
            person_id=act.person.id,
            act_id=act.id,
            name=application.applicant.name,
            tax_number=number,
            submitted_at=moment_of(act.signed_us),
            decide_by=deadline.day,
            calendar=deadline.version,
        )
        .returning(applications.c.id)
    ).scalar_one()
    add_event(db, made, ApplicationState.DRAFT, Act.SUBMIT, act)
    drop_draft(db, act.person.id)
    return made


def withdraw(db: sa.Connection, act: SignedAct, application_id: int) -> None:
    """Take the applicant's own application back; raises ActRefusedError."""
    case = case_to_move(db, application_id)
    if case is None or case.person_id != act.person.id:
        raise ActRefusedError(N_("This application is not yours."))
    add_event(db, application_id, case.state, Act.WITHDRAW, act)


def case_to_move(db: sa.Connection, application_id: int) -> Case | None:
    """The application, held until the transaction ends by whoever is about to move it."""
    db.execute(sa.select(sa.func.pg_advisory_xact_lock(CASE_LOCK, application_id)))
    return read_case(db, application_id)


def add_event(  # noqa: PLR0913, PLR0917 - one row
    db: sa.Connection,
    application_id: int,
    before: ApplicationState,
    done: Act,
    act: SignedAct,
    participant_id: int | None = None,
) -> None:
    """Keep one step; raises TransitionRefusedError where it does not follow."""
    after = transition(Machine.APPLICATION, before, done).after
    db.execute(
        sa.insert(application_events).values(
            application_id=application_id,
            act=done.value,
            state=after.value,
            at=moment_of(act.signed_us),
            act_id=act.id,
            participant_id=participant_id,
        )
    )


def read_case(db: sa.Connection, application_id: int) -> Case | None:
    """One application."""
    return next(iter(_cases(db, applications.c.id == application_id)), None)


def cases_of(db: sa.Connection, person_id: int) -> list[Case]:
    """A person's applications, the newest first."""
    return _cases(db, applications.c.person_id == person_id, applications.c.id.desc())


def cases_with_number(db: sa.Connection, tax_number: str) -> list[Case]:
    """Every application for one tax number, the newest first."""
    return _cases(db, applications.c.tax_number == tax_number, applications.c.id.desc())


def open_cases(db: sa.Connection, *, after: int | None = None, at_most: int = PAGE) -> list[Case]:
    """Applications that wait for a decision, the most urgent first, after one of them."""
    numbers = open_applications(db, after=after, at_most=at_most)
    return _cases(db, applications.c.id.in_(numbers), applications.c.decide_by)


def closed_cases(db: sa.Connection, *, before: int = FIRST, at_most: int = PAGE) -> list[Case]:
    """Applications that are decided or withdrawn, the newest first, before one of them."""
    ended = (
        sa.select(application_events.c.application_id)
        .where(
            # Written out, not bound: the index is of these rows alone.
            application_events.c.state != sa.literal_column("'submitted'"),
            application_events.c.application_id < before,
        )
        .order_by(application_events.c.application_id.desc())
        .limit(at_most)
    )
    numbers = list(db.scalars(ended))
    return _cases(db, applications.c.id.in_(numbers), applications.c.id.desc())


def case_of_participant(db: sa.Connection, participant_id: int) -> Case | None:
    """The application by which a participant came in."""
    made = sa.select(application_events.c.application_id).where(
        application_events.c.participant_id == participant_id
    )
    return next(iter(_cases(db, applications.c.id.in_(made))), None)


def application_of(db: sa.Connection, case: Case) -> tuple[Application, SignedAct]:
    """What was applied for, read from the signed bytes, and they."""
    act = read_act(db, case.act_id)
    if act is None:
        raise AssertionError(f"application {case.id} has no signed act")
    return data_of(act.content, Application), act


def _cases(
    db: sa.Connection,
    which: sa.ColumnElement[bool],
    turn: "sa.ColumnElement[Any] | None" = None,
) -> list[Case]:
    order = (applications.c.id,) if turn is None else (turn, applications.c.id)
    rows = db.execute(
        sa.select(applications, persons.c.name.label("person"))
        .join_from(applications, persons, applications.c.person_id == persons.c.id)
        .where(which)
        .order_by(*order)
        .limit(SHOWN_MAX)
    ).all()
    events = _events(db, [row.id for row in rows])
    return [
        Case(
            row.id,
            row.person_id,
            row.person,
            row.act_id,
            row.name,
            row.tax_number,
            row.submitted_at,
            Deadline(row.decide_by, row.calendar),
            tuple(events[row.id]),
        )
        for row in rows
    ]


def _events(db: sa.Connection, ids: Iterable[int]) -> dict[int, list[CaseEvent]]:
    table = application_events
    rows = db.execute(
        sa.select(table, persons.c.name.label("person"))
        .join_from(table, signed_acts, table.c.act_id == signed_acts.c.id)
        .join(persons, signed_acts.c.person_id == persons.c.id)
        .where(table.c.application_id.in_(list(ids)))
        .order_by(table.c.application_id, table.c.id)
    )
    found = defaultdict[int, list[CaseEvent]](list)
    for row in rows:
        found[row.application_id].append(
            CaseEvent(row.act, row.state, row.at, row.person, row.act_id, row.participant_id)
        )
    return found

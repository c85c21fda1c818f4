"""What may become of an application, a notice and a participant: one table says all of it.

A participant's suspension or exit that is announced is a notice that waits; the participant stays
what it is until the day comes. So one may leave while suspended, and take a notice back.
"""

from enum import StrEnum
from typing import NamedTuple

from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.terms import (
    CERTIFICATE_NOTICE,
    CREDENTIALS,
    DECISION,
    EQUIPMENT_NOTICE,
    EXIT,
    REGISTER_UPDATE,
    SUSPENSION,
    Term,
)
from kench.cabinet.words.catalogues import N_


class TransitionRefusedError(ActRefusedError):
    """An act for which this is not the moment."""


class OutOfTurnError(TransitionRefusedError):
    """One that the table does not have: people are told that, programs which it was."""

    def __init__(self, machine: "Machine", before: StrEnum | None, act: "Act") -> None:
        super().__init__(N_("This cannot be done any more: it was decided or ended meanwhile."))
        self._turn = f"{machine}: {act} after {before or '-'}"

    def __str__(self) -> str:
        return f"{super().__str__()} ({self._turn})"


class Machine(StrEnum):
    """Whose states they are."""

    APPLICATION = "application"
    PARTICIPANT = "participant"
    NOTICE = "notice"


class Who(StrEnum):
    """Who may act."""

    APPLICANT = "applicant"
    PARTICIPANT = "participant"
    OFFICER = "officer"
    SYSTEM = "system"


class ApplicationState(StrEnum):
    """Of an application."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    REGISTERED = "registered"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class ParticipantState(StrEnum):
    """Of a participant in the Electronic Register."""

    REGISTERED = "registered"
    SUSPENDED = "suspended"
    """By its own notice."""
    BARRED = "barred"
    """By the authorised body: its own notice does not end it."""
    LEFT = "left"
    EXCLUDED = "excluded"


PARTICIPANT_STATES = {
    ParticipantState.REGISTERED: N_("registered"),
    ParticipantState.SUSPENDED: N_("suspended"),
    ParticipantState.BARRED: N_("suspended by the authorised body"),
    ParticipantState.LEFT: N_("has left"),
    ParticipantState.EXCLUDED: N_("excluded"),
}
"""What they are called."""
OPEN_STATES = frozenset(
    {ParticipantState.REGISTERED, ParticipantState.SUSPENDED, ParticipantState.BARRED}
)
"""Of who is a participant still."""


class NoticeState(StrEnum):
    """Of a notice."""

    WAITING = "waiting"
    DONE = "done"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class NoticeKind(StrEnum):
    """What a notice is about."""

    CERTIFICATE = "certificate"
    EQUIPMENT = "equipment"
    SUSPENSION = "suspension"
    RESUMPTION = "resumption"
    EXIT = "exit"
    ACCOUNT = "account"

    @property
    def term(self) -> Term | None:
        """The term in which it is due, or by which it is ahead."""
        return NOTICE_TERMS.get(self)

    @property
    def is_entered(self) -> bool:
        """Whether an officer enters what it says."""
        return self.tells_of_change or self is NoticeKind.ACCOUNT

    @property
    def tells_of_change(self) -> bool:
        """Whether it tells of data of the register that changed on some day."""
        return self in {NoticeKind.CERTIFICATE, NoticeKind.EQUIPMENT}

    @property
    def has_day(self) -> bool:
        """Whether it is for a day to come."""
        return self in {NoticeKind.SUSPENSION, NoticeKind.EXIT}

    @property
    def waits_alone(self) -> bool:
        """Whether no other of its kind may be made while it waits."""
        return self.has_day or self is NoticeKind.ACCOUNT

    @property
    def outlasts_membership(self) -> bool:
        """Whether those who have left may give it: their money is paid out all the same."""
        return self is NoticeKind.ACCOUNT


NOTICE_TERMS = {
    NoticeKind.CERTIFICATE: CERTIFICATE_NOTICE,
    NoticeKind.EQUIPMENT: EQUIPMENT_NOTICE,
    NoticeKind.SUSPENSION: SUSPENSION,
    NoticeKind.EXIT: EXIT,
}


class Act(StrEnum):
    """What is done."""

    START = "start"
    SUBMIT = "submit"
    WITHDRAW = "withdraw"
    REGISTER = "register"
    REFUSE = "refuse"
    NOTIFY = "notify"
    ENTER = "enter"
    TAKE_EFFECT = "take effect"
    LAPSE = "lapse"
    SUSPEND = "suspend"
    RESUME = "resume"
    RETURN = "return"
    LEAVE = "leave"
    EXCLUDE = "exclude"
    BAR = "bar"
    LIFT = "lift"
    EXPIRE = "expire"


class Transition(NamedTuple):
    """One line of the table."""

    machine: Machine
    before: StrEnum | None
    act: Act
    after: StrEnum
    who: Who
    term: Term | None
    """What the act must keep to, or what it starts."""
    clause: str


OWN_MEASURE = "own measure"
"""In the place of a clause: the decree knows suspension on a participant's notice alone (35.3)."""
A, P, N = ApplicationState, ParticipantState, NoticeState
TRANSITIONS = tuple(
    Transition(Machine.APPLICATION, *line)
    for line in (
        (None, Act.START, A.DRAFT, Who.APPLICANT, None, "28"),
        (A.DRAFT, Act.SUBMIT, A.SUBMITTED, Who.APPLICANT, DECISION, "28, 29"),
        (A.SUBMITTED, Act.WITHDRAW, A.WITHDRAWN, Who.APPLICANT, None, "28"),
        (A.SUBMITTED, Act.REGISTER, A.REGISTERED, Who.OFFICER, CREDENTIALS, "29.1, 31"),
        (A.SUBMITTED, Act.REFUSE, A.REFUSED, Who.OFFICER, DECISION, "29.2, 30"),
    )
) + tuple(
    Transition(Machine.PARTICIPANT, *line)
    for line in (
        (None, Act.REGISTER, P.REGISTERED, Who.OFFICER, CREDENTIALS, "31"),
        (P.REGISTERED, Act.SUSPEND, P.SUSPENDED, Who.SYSTEM, SUSPENSION, "35.3"),
        (P.SUSPENDED, Act.RESUME, P.REGISTERED, Who.PARTICIPANT, None, "35.3"),
        (P.SUSPENDED, Act.RETURN, P.REGISTERED, Who.SYSTEM, None, "35.3"),
        (P.REGISTERED, Act.LEAVE, P.LEFT, Who.SYSTEM, EXIT, "35.4"),
        (P.SUSPENDED, Act.LEAVE, P.LEFT, Who.SYSTEM, EXIT, "35.4"),
        (P.REGISTERED, Act.BAR, P.BARRED, Who.OFFICER, None, OWN_MEASURE),
        (P.SUSPENDED, Act.BAR, P.BARRED, Who.OFFICER, None, OWN_MEASURE),
        (P.BARRED, Act.BAR, P.BARRED, Who.OFFICER, None, OWN_MEASURE),
        (P.BARRED, Act.LIFT, P.REGISTERED, Who.OFFICER, None, OWN_MEASURE),
        (P.BARRED, Act.EXPIRE, P.REGISTERED, Who.SYSTEM, None, OWN_MEASURE),
        (P.BARRED, Act.LEAVE, P.LEFT, Who.SYSTEM, EXIT, "35.4"),
        (P.REGISTERED, Act.EXCLUDE, P.EXCLUDED, Who.OFFICER, None, "40, 41"),
        (P.SUSPENDED, Act.EXCLUDE, P.EXCLUDED, Who.OFFICER, None, "40, 41"),
        (P.BARRED, Act.EXCLUDE, P.EXCLUDED, Who.OFFICER, None, "40, 41"),
    )
) + tuple(
    Transition(Machine.NOTICE, *line)
    for line in (
        (None, Act.NOTIFY, N.WAITING, Who.PARTICIPANT, REGISTER_UPDATE, "21¹, 35, 36.4"),
        (N.WAITING, Act.ENTER, N.DONE, Who.OFFICER, REGISTER_UPDATE, "21¹"),
        (N.WAITING, Act.TAKE_EFFECT, N.DONE, Who.SYSTEM, None, "35.3, 35.4"),
        (N.WAITING, Act.WITHDRAW, N.WITHDRAWN, Who.PARTICIPANT, None, "35"),
        (N.WAITING, Act.LAPSE, N.LAPSED, Who.SYSTEM, None, "35, 40"),
    )
)  # fmt: skip
_BY_ACT = {(line.machine, line.before, line.act): line for line in TRANSITIONS}


def transition(machine: Machine, before: StrEnum | None, act: Act) -> Transition:
    """The line by which this act is done from this state; raises TransitionRefusedError."""
    found = _BY_ACT.get((machine, before, act))
    if found is None:
        raise OutOfTurnError(machine, before, act)
    return found


def final_states(machine: Machine) -> frozenset[StrEnum]:
    """States that nothing leads out of."""
    lines = [line for line in TRANSITIONS if line.machine is machine]
    return frozenset(line.after for line in lines) - {line.before for line in lines}


def drawing(machine: Machine) -> str:
    """The machine as a Mermaid diagram, for docs/registration.md."""
    lines = ["stateDiagram-v2"]
    lines += [
        f"    {line.before or '[*]'} --> {line.after}: {line.act} by {line.who}, {line.clause}"
        for line in TRANSITIONS
        if line.machine is machine
    ]
    lines += [f"    {state} --> [*]" for state in sorted(final_states(machine))]
    return "\n".join(lines)


def table(machine: Machine) -> str:
    """The machine as a table, for docs/registration.md."""
    lines = ["| from | act | to | who | term | clause |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {line.before or '-'} | {line.act} | {line.after} | {line.who} | "
        f"{line.term or '-'} | {line.clause} |"
        for line in TRANSITIONS
        if line.machine is machine
    ]
    return "\n".join(lines)

"""The state machines: the table is whole, and the documentation draws it as it is."""

from datetime import date
from pathlib import Path

import pytest

from kench.cabinet.registration.states import (
    TRANSITIONS,
    Act,
    ApplicationState,
    Machine,
    NoticeState,
    ParticipantState,
    TransitionRefusedError,
    drawing,
    final_states,
    table,
    transition,
)
from kench.cabinet.registration.terms import DECISION, EXIT, SUSPENSION, TERMS
from kench.pool.calendar import WorkingDays
from kench.pool.orders.book import NO_DAYS_CHANGED

DOCS = Path(__file__).parents[3] / "docs" / "registration.md"
CALENDAR = WorkingDays(NO_DAYS_CHANGED)
STATES = {
    Machine.APPLICATION: ApplicationState,
    Machine.PARTICIPANT: ParticipantState,
    Machine.NOTICE: NoticeState,
}


@pytest.mark.parametrize("machine", Machine)
def test_every_state_is_reached_and_one_act_leads_one_way(machine: Machine) -> None:
    lines = [line for line in TRANSITIONS if line.machine is machine]
    assert {line.after for line in lines} == set(STATES[machine])
    assert len({(line.before, line.act) for line in lines}) == len(lines)
    reached = {None}
    for _ in lines:
        reached |= {line.after for line in lines if line.before in reached}
    assert reached == {None, *STATES[machine]}


def test_what_ended_stays_so() -> None:
    assert final_states(Machine.APPLICATION) == {"registered", "refused", "withdrawn"}
    assert final_states(Machine.PARTICIPANT) == {"left", "excluded"}
    assert final_states(Machine.NOTICE) == {"done", "withdrawn", "lapsed"}


def test_an_act_out_of_turn_is_refused() -> None:
    line = transition(Machine.APPLICATION, ApplicationState.SUBMITTED, Act.REGISTER)
    assert line.after is ApplicationState.REGISTERED
    with pytest.raises(TransitionRefusedError, match="register after refused"):
        transition(Machine.APPLICATION, ApplicationState.REFUSED, Act.REGISTER)
    with pytest.raises(TransitionRefusedError, match="exclude after -"):
        transition(Machine.PARTICIPANT, None, Act.EXCLUDE)


def test_terms_are_those_of_the_law() -> None:
    assert [(term.clause, term.count, term.days.value) for term in TERMS] == [
        ("29", 10, "working days"),
        ("31", 3, "working days"),
        ("21¹", 10, "working days"),
        ("36.4", 5, "working days"),
        ("21¹", 3, "working days"),
        ("35.3", 5, "working days"),
        ("35.4", 30, "calendar days"),
    ]
    monday = date(2026, 11, 23)
    assert DECISION.deadline(monday, CALENDAR).day == date(2026, 12, 7)
    assert SUSPENSION.deadline(monday, CALENDAR).day == date(2026, 12, 1)
    assert EXIT.deadline(monday, CALENDAR).day == date(2026, 12, 24)


@pytest.mark.parametrize("machine", Machine)
def test_the_documentation_draws_the_machines_as_they_are(machine: Machine) -> None:
    text = DOCS.read_text()
    assert drawing(machine) in text
    assert table(machine) in text

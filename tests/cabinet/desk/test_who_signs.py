"""Whatever an officer may sign: a role that is gone at the signature, and an own case, end it.

A text is shown to who has the role then; between that and the signature roles and service may end,
and a browser may send what no page offers.
"""

from collections.abc import Iterator

import msgspec
import pytest
import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.inspections.outcome import CHECKLIST, Finding, Item, Outcome, Result
from kench.cabinet.inspections.outcome import outcome_body as inspection_body
from kench.cabinet.inspections.reading import read_risks
from kench.cabinet.inspections.store import plan
from kench.cabinet.login.people import PeopleRole, add_person
from kench.cabinet.measures.suspension import (
    Lifting,
    Suspension,
    SuspensionGround,
    lifting_body,
    suspension_body,
)
from kench.cabinet.messages.circulars import Circular, circular_body
from kench.cabinet.messages.letter import Message, message_body
from kench.cabinet.registration.bodies import decision_body, exclusion_body
from kench.cabinet.registration.decisions import Exclusion
from kench.cabinet.registration.outcomes import OUTCOMES
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registry.extracts import extract_body, make_extract
from kench.cabinet.reports.checking import read_form
from kench.cabinet.reports.deciding import Verdict, report_decision_body
from kench.cabinet.reports.deciding import decision_on as report_decision_on
from kench.cabinet.reports.form import Form
from kench.cabinet.reports.form_text import form_body
from kench.cabinet.signing.wording import Purpose
from kench.pool.database import open_engine
from kench.pool.moments import moment_of
from tests.support.applications import TODAY
from tests.support.cabinet import cabinet_of
from tests.support.pki import PIN
from tests.support.registration import (
    CALENDAR,
    DRAW,
    NOW_US,
    OFFICER_PIN,
    OTHER_PIN,
    apply,
    barred,
    decision_on,
    put_officer,
    registered,
    sign,
)
from tests.support.reports import filed, new_form, report_made
from tests.support.signing import SECOND_US, enter

IDLE = "10103199000109"
"""An officer who has no role any more."""
OF_PEOPLE = {Purpose.APPLICATION, Purpose.NOTICE, Purpose.WITHDRAWAL, Purpose.ANSWER,
             Purpose.REPORT}  # fmt: skip
PAIRED = {Purpose.PERIOD, Purpose.REOPENING, Purpose.ORDER, Purpose.LOT}
"""Signed by two: `test_countersigning` asks the same of each of them."""
OWN = {Purpose.EXCLUSION, Purpose.SUSPENSION, Purpose.INSPECTION, Purpose.REPORT_DECISION}
"""On a participant; by nobody who acts for it."""
LATER_US = NOW_US + 60 * SECOND_US


@pytest.fixture(scope="module")
def bodies(module_database: str) -> dict[Purpose, str]:
    """A text of each kind that an officer signs, which could be carried out."""
    engine = open_engine(module_database, application_name="test")
    with engine.begin() as db:
        put_officer(db)
        put_officer(db, IDLE, [])
        whose = registered(db)
        waits = apply(db, OTHER_PIN)
        report = filed(db, report_made(db, whose), now_us=NOW_US + SECOND_US)
        (risk,) = read_risks(db, moment_of(NOW_US), whose)
        login, _ = enter(db, OFFICER_PIN, now_us=NOW_US, draw=DRAW)
        inspection = plan(db, risk, 5, CALENDAR, login.person.id, NOW_US)
        assert inspection is not None
        extract = make_extract(db, whose, LATER_US, LATER_US)
        form = read_form_of(new_form())
        assert extract is not None
        items = tuple(Item(name, Finding.YES) for name in CHECKLIST)
        outcome = Outcome(inspection, whose, TODAY, Result.CONFORMS, items, "All is well.")
        decision = report_decision_on(db, report, Verdict.ACCEPTED, "")
        suspension = Suspension(
            participant=whose, ground=SuspensionGround.DANGER, reason="The transformer burns."
        )
        made = {
            Purpose.DECISION: decision_body(decision_on(db, waits), "", str),
            Purpose.EXCLUSION: exclusion_body(Exclusion(whose, "It sells power."), "", str),
            Purpose.SUSPENSION: suspension_body(suspension, "", str),
            Purpose.MESSAGE: message_body(Message(whose, "Your meter", "Show it."), "", str),
            Purpose.EXTRACT: extract_body(extract, str),
            Purpose.CIRCULAR: circular_body(Circular("Rules", "New ones."), str),
            Purpose.INSPECTION: inspection_body(outcome, "", str),
            Purpose.REPORT_FORM: form_body(form, "en", str),
            Purpose.REPORT_DECISION: report_decision_body(decision, report, "", str),
        }
        number = barred(db, whose, begins=TODAY.replace(year=TODAY.year + 1))
        lifting = Lifting(participant=whose, suspension=number, reason="It is mended.")
        made[Purpose.LIFTING] = lifting_body(lifting, "", str)
    engine.dispose()
    return made


def read_form_of(given: dict[str, object]) -> Form:
    form = read_form(msgspec.json.encode(given))
    assert isinstance(form, Form), form
    return form


@pytest.fixture(scope="module")
def cabinet(module_database: str, bodies: dict[Purpose, str]) -> Iterator[Cabinet]:
    del bodies
    with cabinet_of(module_database) as made:
        yield made


def refused(cabinet: Cabinet, purpose: Purpose, body: str, pin: str) -> str:
    """Why nothing follows from that signature."""
    with cabinet.engine.connect() as db, db.begin() as all_of_it:
        act = sign(db, purpose, body, pin, now_us=LATER_US)
        with pytest.raises(ActRefusedError) as told:
            OUTCOMES[purpose](db, act, cabinet)
        all_of_it.rollback()
    return str(told.value)


def test_each_purpose_of_a_signature_is_asked_here_or_elsewhere(
    bodies: dict[Purpose, str],
) -> None:
    assert bodies.keys() | OF_PEOPLE | PAIRED == OUTCOMES.keys()
    assert not bodies.keys() & (OF_PEOPLE | PAIRED)


def test_who_has_no_role_any_more_signs_nothing(
    cabinet: Cabinet, bodies: dict[Purpose, str]
) -> None:
    for purpose, body in bodies.items():
        assert refused(cabinet, purpose, body, IDLE) == "Your duties do not include this", purpose


def test_who_is_no_officer_signs_nothing_of_theirs(
    cabinet: Cabinet, bodies: dict[Purpose, str]
) -> None:
    for purpose, body in bodies.items():
        assert "officer in service" in refused(cabinet, purpose, body, PIN), purpose


def test_nobody_signs_about_a_participant_for_whom_they_act(
    cabinet: Cabinet, bodies: dict[Purpose, str]
) -> None:
    with cabinet.engine.connect() as db, db.begin() as all_of_it:
        whose = db.scalar(sa.text("SELECT min(id) FROM participants"))
        login, _ = enter(db, OFFICER_PIN, now_us=NOW_US, draw=DRAW)
        assert add_person(
            db, whose, OFFICER_PIN, PeopleRole.ACCOUNTANT,
            added_by=login.person.id, now_us=LATER_US,
        ) is None  # fmt: skip
        for purpose in OWN:
            act = sign(db, purpose, bodies[purpose], OFFICER_PIN, now_us=LATER_US)
            with pytest.raises(ActRefusedError, match="their own participant"):
                OUTCOMES[purpose](db, act, cabinet)
        all_of_it.rollback()


def test_one_with_the_role_signs_what_is_refused_above(
    cabinet: Cabinet, bodies: dict[Purpose, str]
) -> None:
    """So it was refused for who signed, and not for what was signed."""
    last = [Purpose.LIFTING, Purpose.EXCLUSION]
    first = [one for one in bodies if one not in {*last, Purpose.SUSPENSION}]
    with cabinet.engine.connect() as db, db.begin() as all_of_it:
        for purpose in first + last:
            act = sign(db, purpose, bodies[purpose], OFFICER_PIN, now_us=LATER_US)
            assert OUTCOMES[purpose](db, act, cabinet).startswith("/desk/"), purpose
        all_of_it.rollback()

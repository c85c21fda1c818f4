"""Inspections: planned by what the pool sees, signed by an inspector, shown to the participant."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.inspections.outcome import (
    CHECKLIST,
    Outcome,
    Result,
    outcome_body,
    read_outcome,
)
from kench.cabinet.inspections.reading import read_risks
from kench.cabinet.inspections.risk import Factor
from kench.cabinet.inspections.store import (
    ended_inspections,
    inspections_of,
    keep_outcome,
    plan,
    planned_among,
    read_inspection,
    waiting_inspections,
)
from kench.cabinet.registration.bodies import data_of
from kench.cabinet.registration.dossier import acts_of
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.wording import Purpose
from kench.pool.clock import ManualClock
from kench.pool.moments import moment_of
from kench.pool.orders.officer_roles import OfficerRole
from tests.support.applications import TODAY
from tests.support.cabinet import cabinet_of, client_in
from tests.support.pki import PIN
from tests.support.registration import (
    CALENDAR,
    NOW_US,
    OFFICER_PIN,
    OTHER_PIN,
    inspected,
    put_officer,
    registered,
    sign,
    signed_in,
    verifier_at,
)
from tests.support.signing import SECOND_US

REGISTRAR_PIN = "11211197800321"
LATER_US = NOW_US + 60 * SECOND_US
JPEG = b"\xff\xd8\xff\xe0 photo"
TYPED = {"day": TODAY.isoformat(), "result": "violations", "text": "One machine is not there."}
TYPED |= dict.fromkeys(CHECKLIST, "yes") | {"models": "no", "models-note": "119 of 120"}


@pytest.fixture
def cabinet(database: str, engine: sa.Engine) -> Iterator[Cabinet]:
    """Two participants for 40 days: the first found all blocks, the second did most of the work.

    A block took 3·10¹⁹ hashes, and 6·10¹⁹ from noon of the 17th of November on.
    """
    with engine.begin() as db:
        put_officer(db)
        put_officer(db, REGISTRAR_PIN, (OfficerRole.REGISTRAR,))
        registered(db)
        registered(db, OTHER_PIN)
        db.exec_driver_sql("SET LOCAL session_replication_role = replica")
        db.exec_driver_sql("UPDATE register_entries SET at = at - interval '40 days'")
        for whose, work in ((1, 10**18), (2, 9 * 10**18)):
            db.execute(
                sa.text("""
                    INSERT INTO participant_days
                    SELECT :whose, at, 1000, 10, 0, 0, 0, :work, 144
                    FROM generate_series(CAST('2026-10-26' AS timestamptz), '2026-11-22', '1 day')
                        AS at
                """),
                {"whose": whose, "work": work},
            )
        db.exec_driver_sql("""
            INSERT INTO participant_hours
            SELECT participant_id, bucket_at + n * interval '1 hour', 0, 0, 0, 0, 0,
                work_hashes / 24, 6
            FROM participant_days, generate_series(0, 23) AS n
        """)
        db.exec_driver_sql("""
            INSERT INTO network_hours
            SELECT at, 386000000,
                CASE WHEN at < '2026-11-17 12:00+00' THEN 3 ELSE 6 END * 1e19
            FROM generate_series(CAST('2026-10-26 00:00+00' AS timestamptz),
                '2026-11-22 23:00+00', '1 hour') AS at
        """)
        db.exec_driver_sql("""
            INSERT INTO blocks (hash, height, instance, sequence, job_key, reward_sat, finder,
                found_at, credited, state, attempts)
            SELECT encode(sha256(n::text::bytea), 'hex'), 100 + n, 1, n, 1, 1, '1.rig',
                CAST('2026-11-10 12:00+00' AS timestamptz) + n * interval '1 day', true,
                CASE n WHEN 3 THEN 'orphaned' ELSE 'mature' END, 1
            FROM generate_series(1, 8) AS n
        """)
    with cabinet_of(database, clock=ManualClock(LATER_US), verifier=verifier_at()) as made:
        yield made


def test_risk_is_reckoned_from_work_blocks_and_the_register(cabinet: Cabinet) -> None:
    with cabinet.engine.connect() as db:
        first, second = read_risks(db, moment_of(LATER_US))
        (alone,) = read_risks(db, moment_of(LATER_US), 1)
    assert first.participant_id == 2
    assert (first.facts.found, second.facts.found) == (0, 8)
    # Each day 9/30 of a block, and half of that in the last five and a half.
    assert first.facts.expected == pytest.approx(22.5 * 9 / 30 + 5.5 * 9 / 60)
    assert first.facts.known_part == 1
    assert first.points[0].factor is Factor.WITHHOLDING
    assert (first.facts.days, first.facts.accepted, first.facts.refused) == (30, 28_000, 280)
    assert first.facts.declared_ghs == 120 * 234_500
    assert second.facts.p_value > 0.99
    assert alone.facts.work_hashes == second.facts.work_hashes == 28 * 10**18


def test_hours_of_unknown_difficulty_are_left_out_of_what_is_expected_and_found(
    cabinet: Cabinet, engine: sa.Engine
) -> None:
    with engine.begin() as db:
        db.exec_driver_sql("SET LOCAL session_replication_role = replica")
        db.exec_driver_sql("DELETE FROM network_hours WHERE bucket_at < '2026-11-16 18:00+00'")
    with cabinet.engine.connect() as db:
        second, first = read_risks(db, moment_of(LATER_US))
    # Three quarters of a day, and the five and a half days of the higher difficulty.
    assert first.facts.expected == pytest.approx(0.75 * 9 / 30 + 5.5 * 9 / 60)
    assert first.facts.known_part == pytest.approx(6.25 / 28)
    assert second.facts.found == 2
    with engine.begin() as db:
        db.exec_driver_sql("SET LOCAL session_replication_role = replica")
        db.exec_driver_sql("DELETE FROM network_hours")
    with cabinet.engine.connect() as db:
        unknown = read_risks(db, moment_of(LATER_US))
    assert {(one.facts.expected, one.facts.found, one.facts.known_part) for one in unknown} == {
        (0, 0, 0)
    }


def test_what_is_planned_and_what_is_done_go_on_page_by_page(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        done = [inspected(db, 1), inspected(db, 2), inspected(db, 1)]
        (person,) = db.scalars(sa.text("SELECT DISTINCT planned_by FROM inspections"))
        planned = {
            whose: plan(db, read_risks(db, moment_of(LATER_US), whose)[0], days, CALENDAR, person,
                        LATER_US)
            for whose, days in ((1, 10), (2, 5))
        }  # fmt: skip
        (first,) = waiting_inspections(db, at_most=1)
        (second,) = waiting_inspections(db, after=first.id, at_most=2)
        assert [first.id, second.id] == [planned[2], planned[1]]
        assert planned_among(db, [2, 3]) == {2}
        newest, *others = (one.id for one in ended_inspections(db, at_most=3))
        assert [newest, *others] == done[::-1]
        assert [one.id for one in ended_inspections(db, before=newest, at_most=1)] == others[:1]
        assert [one.id for one in inspections_of(db, 1, 5, before=newest)] == done[:1]
    page = client_in(cabinet, OFFICER_PIN).get(f"/desk/inspections?after={first.id}").text
    assert f'href="/desk/inspections/{second.id}"' in page
    assert f'href="/desk/inspections/{first.id}"' not in page
    assert page.count("</span></button>") == 0


def test_an_outcome_is_read_strictly_and_says_everything() -> None:
    read = read_outcome(3, 7, TYPED, [], TODAY)
    assert isinstance(read, Outcome)
    assert read.result is Result.VIOLATIONS
    body = outcome_body(read, "Асан", str)
    assert "Models and quantities are those of the register: no. 119 of 120" in body
    assert data_of(body.encode(), Outcome) == read
    for wrong in ({"day": "2027-01-01"}, {"result": "x"}, {"text": ""}, {"firmware": ""},
                  {"models-note": "x" * 301}):  # fmt: skip
        gaps = read_outcome(3, 7, TYPED | wrong, [], TODAY)
        assert isinstance(gaps, list)
        assert [gap.field for gap in gaps] == list(wrong)
    nothing = {"day": TODAY.isoformat(), "result": "not_done", "text": "Nobody was there."}
    assert isinstance(read_outcome(3, 7, nothing, [], TODAY), Outcome)


def test_an_inspector_plans_photographs_signs_and_the_participant_sees_it(
    cabinet: Cabinet,
) -> None:
    officer, owner = client_in(cabinet, OFFICER_PIN), client_in(cabinet)
    shown = officer.get("/desk/inspections").text
    assert "fewer blocks found than its work lets expect (40)" in shown
    for wrong in ({"participant": "99", "days": "5"}, {"participant": "1", "days": "61"}):
        answer = officer.post_form("/desk/inspections/plan", **wrong)
        assert "inspection_unknown" in answer.headers["location"]
    for said in ("planned", "waits"):
        answer = officer.post_form("/desk/inspections/plan", participant="1", days="5")
        assert f"inspection_{said}" in answer.headers["location"]
    page = "/desk/inspections/1"
    assert "5 working days left" in officer.get(page).text
    photo = {"file": ("мачта.jpg", JPEG, "image/jpeg")}
    typed = TYPED
    assert officer.post_form(page, files=photo, do="upload", **typed).status_code == 303
    script = {"file": ("x.jpg", b"<script>", "image/jpeg")}
    assert officer.post_form(page, files=script, do="upload", **typed).status_code == 422
    assert officer.get(f"{page}/documents/1").content == JPEG
    assert officer.post_form(page, do="sign", **typed | {"text": ""}).status_code == 422
    assert "nothing" not in owner.get("/p/1/inspections").text
    asked = officer.post_form(page, do="sign", **typed).headers["location"]
    assert signed_in(officer, asked, OFFICER_PIN) == f"{page}?said=inspection_signed"
    assert officer.post_form(page, do="save").status_code == 409
    seen = owner.get("/p/1/inspections").text
    for words in ("violations were found", "119 of 120", "One machine is not there."):
        assert words in seen
    assert owner.get("/p/1/inspections/1/documents/1").content == JPEG
    assert client_in(cabinet, OTHER_PIN).get("/p/2/inspections/1/documents/1").status_code == 404
    with cabinet.engine.connect() as db:
        assert acts_of(db, 1)[-1].purpose is Purpose.INSPECTION


def test_a_registrar_inspects_nobody_and_an_outcome_is_signed_once(cabinet: Cabinet) -> None:
    registrar = client_in(cabinet, REGISTRAR_PIN)
    assert registrar.get("/desk/inspections").status_code == 403
    assert registrar.post_form("/desk/inspections/plan", participant="1").status_code == 403
    with cabinet.engine.begin() as db:
        (risk,) = read_risks(db, moment_of(LATER_US), 1)
        person = db.scalar(sa.text("SELECT min(id) FROM persons"))
        number = plan(db, risk, 5, CALENDAR, person or 0, LATER_US)
        assert number == 1
        read = read_outcome(1, 1, TYPED, [], TODAY)
        assert isinstance(read, Outcome)
        body = outcome_body(read, "x", str)
        for pin in (PIN, REGISTRAR_PIN):
            with pytest.raises(ActRefusedError):
                keep_outcome(db, sign(db, Purpose.INSPECTION, body, pin, now_us=LATER_US))
        keep_outcome(db, sign(db, Purpose.INSPECTION, body, OFFICER_PIN, now_us=LATER_US))
        with pytest.raises(ActRefusedError, match="already"):
            keep_outcome(db, sign(db, Purpose.INSPECTION, body, OFFICER_PIN, now_us=LATER_US))
        assert plan(db, risk, 5, CALENDAR, person or 0, LATER_US) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE inspections SET score = 0", "DELETE FROM inspection_outcomes",
        "DELETE FROM inspection_queue",
    ],
)  # fmt: skip
def test_what_was_planned_and_found_stays(cabinet: Cabinet, statement: str) -> None:
    with cabinet.engine.begin() as db:
        assert read_inspection(db, inspected(db, 1)) is not None
    with cabinet.engine.begin() as db, pytest.raises(DBAPIError):
        db.execute(sa.text(statement))

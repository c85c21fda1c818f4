"""Several at once: two officers, the ports beside the cabinet."""

import threading

import sqlalchemy as sa

from kench.cabinet.registration.bodies import decision_body
from kench.cabinet.registration.cases import read_case
from kench.cabinet.registration.entering import decide
from kench.cabinet.registration.membership import move
from kench.cabinet.registration.notice_store import take_effect
from kench.cabinet.registration.notices import Notice
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.states import Act, NoticeKind
from kench.cabinet.signing.wording import Purpose
from kench.pool.clock import SystemClock
from kench.pool.moments import midnight_us
from kench.pool.register import State
from kench.pool.register_feed import RegisterFeed
from kench.pool.tokens import make_token
from tests.support.applications import TODAY
from tests.support.registration import (
    DRAW,
    NOW_US,
    OFFICER_PIN,
    apply,
    decision_on,
    notified,
    put_officer,
    registered,
    sign,
)
from tests.support.signing import SECOND_US, enter

SECOND_OFFICER = "21507198500777"
LIMIT_S = 20.0


def test_of_two_officers_who_decide_at_once_one_is_refused(
    cabinet: sa.Engine, engine: sa.Engine
) -> None:
    with engine.begin() as db:
        put_officer(db, SECOND_OFFICER)
    with cabinet.begin() as db:
        number = apply(db)
        body = decision_body(decision_on(db, number), "", str)
        acts = [
            sign(db, Purpose.DECISION, body, pin, now_us=NOW_US + SECOND_US)
            for pin in (OFFICER_PIN, SECOND_OFFICER)
        ]
    outcomes: list[object] = []
    first, begun = cabinet.connect(), threading.Event()

    def second() -> None:
        try:
            with cabinet.begin() as db:
                begun.set()
                outcomes.append(decide(db, acts[1]))
        except ActRefusedError as error:
            outcomes.append(error)

    with first, first.begin():
        decide(first, acts[0])
        thread = threading.Thread(target=second)
        thread.start()
        assert begun.wait(LIMIT_S)
    thread.join(LIMIT_S)
    assert [isinstance(one, ActRefusedError) for one in outcomes] == [True]
    with cabinet.connect() as db:
        case = read_case(db, number)
        assert case is not None
        assert [event.state for event in case.events] == ["submitted", "registered"]
        assert db.scalar(sa.text("SELECT count(*) FROM participants")) == 1


def test_the_ports_know_each_change_that_the_cabinet_makes(
    cabinet: sa.Engine, database: str
) -> None:
    heard = threading.Semaphore(0)
    feed = RegisterFeed(
        database, SystemClock(), lambda _ids: heard.release(), workers_per_participant=3
    )
    feed.start()
    try:
        with cabinet.begin() as db:
            number = registered(db)
            day = TODAY.replace(month=12, day=1)
            notified(db, Notice(kind=NoticeKind.SUSPENSION, participant=number, day=day))
            person = enter(db, now_us=NOW_US, draw=DRAW)[0].person.id
        assert heard.acquire(timeout=LIMIT_S)
        with cabinet.begin() as db:
            token = make_token(db, number, made_by=person)
        assert heard.acquire(timeout=LIMIT_S)
        assert isinstance(token, str)
        assert feed.snapshot.participants[number].accepts(token)
        with cabinet.begin() as db:
            take_effect(db, midnight_us(day))
        assert heard.acquire(timeout=LIMIT_S)
        assert feed.snapshot.participants[number].state is State.SUSPENDED
        with cabinet.begin() as db:
            act = sign(db, Purpose.EXCLUSION, "x", OFFICER_PIN)
            move(db, number, Act.EXCLUDE, now_us=NOW_US, act_id=act.id)
        assert heard.acquire(timeout=LIMIT_S)
        assert feed.snapshot.participants[number].state is State.REMOVED
    finally:
        feed.stop()

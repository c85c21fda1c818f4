"""An order at the desk: what two officers sign is what is accepted, and nothing else is."""

import threading
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from kench.cabinet.desk.countersigning import PairKind, waiting_pairs
from kench.cabinet.desk.order_drafts import (
    Changing,
    drop_draft,
    is_newest,
    list_drafts,
    save_draft,
)
from kench.cabinet.desk.order_signing import subject_of, take_order
from kench.cabinet.login.persons import know_person
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.signing.wording import Purpose
from kench.pool.orders.document import Document
from kench.pool.orders.officer_roles import OfficerRole, end_role, grant_role
from kench.pool.orders.officers import end_officer
from kench.pool.orders.register import Signed, load_orders, propose, sign
from kench.pool.orders.rules import Section
from tests.support.orders import DEMO_RULES, document
from tests.support.registration import NOW_US, verifier_at
from tests.support.signing import SECOND_US, signer
from tests.support.two_officers import FINANCE, HEAD, OTHER_FINANCE, sign_document

VERIFIER: Any = verifier_at()
DAY_US = 86_400 * SECOND_US
TIP = 100
LIMIT_S = 20.0


def order(number: int = 1, *, days: int = 5, **rules: Any) -> Document:
    return document(number, rules or DEMO_RULES, height=TIP + 50, moment_us=NOW_US + days * DAY_US)


def drafted(db: sa.Connection, one: Document, of: Changing | None = None) -> int:
    person = know_person(db, FINANCE, "Асан Усенов", NOW_US)
    return save_draft(db, one, person.id, NOW_US, of)


def act_of(db: sa.Connection, one: Document, pin: str, after_s: int = 0) -> SignedAct:
    return sign_document(db, Purpose.ORDER, subject_of(one), one.content, pin, after_s=after_s)


def signed(
    db: sa.Connection, one: Document, pin: str, after_s: int = 0, tip: int | None = TIP
) -> Signed:
    return take_order(db, act_of(db, one, pin, after_s), tip_height=tip, verifier=VERIFIER)


def refused(db: sa.Connection, one: Document, pin: str, after_s: int = 0, **how: Any) -> str:
    with pytest.raises(ActRefusedError) as error, db.begin_nested():
        signed(db, one, pin, after_s, **how)
    return str(error.value)


def test_the_second_of_two_officers_accepts_and_everybody_loads_it(cabinet: sa.Engine) -> None:
    one = order()
    with cabinet.begin() as db:
        drafted(db, one)
        assert signed(db, one, FINANCE).missing == 1
        (waiting,) = waiting_pairs(db, PairKind.ORDER)
        assert (waiting.subject, waiting.data_sha256) == ("order 1", one.sha256)
        assert not load_orders(db, VERIFIER).documents
        assert signed(db, one, HEAD, 1).missing == 0
    with cabinet.begin() as db:
        assert load_orders(db, VERIFIER).digests == [one.sha256]
        assert not waiting_pairs(db, PairKind.ORDER)
        assert "have signed this already" in refused(db, one, OTHER_FINANCE, 2)


def test_what_came_by_the_command_is_signed_at_the_desk_too(
    cabinet: sa.Engine, engine: sa.Engine
) -> None:
    one = order()
    with engine.begin() as db:
        propose(db, VERIFIER, one.content, tip_height=TIP, now_us=NOW_US)
    with cabinet.begin() as db:
        assert signed(db, one, HEAD).missing == 1
        assert signed(db, one, OTHER_FINANCE, 1).missing == 0


def test_a_draft_that_changed_or_was_put_aside_is_not_signed_as_it_was(cabinet: sa.Engine) -> None:
    one, other = order(), order(fee={"pool_ppm": 1})
    with cabinet.begin() as db:
        number = drafted(db, one)
        act = act_of(db, one, FINANCE)
        assert drafted(db, other, Changing(number, 1)) == number
        assert is_newest(db, other.content)
        with pytest.raises(ActRefusedError, match="changed or put aside"), db.begin_nested():
            take_order(db, act, tip_height=TIP, verifier=VERIFIER)
        drop_draft(db, number, act.person.id, NOW_US)
        assert "put aside" in refused(db, other, HEAD, 1)
        assert not list_drafts(db)
        with pytest.raises(ActRefusedError, match="no such draft"):
            drafted(db, one, Changing(number, 3))


def test_of_two_who_change_a_draft_at_once_the_second_is_told(cabinet: sa.Engine) -> None:
    one, other = order(), order(fee={"pool_ppm": 1})
    with cabinet.begin() as db:
        number = drafted(db, one)
        drafted(db, other, Changing(number, 1))
        with pytest.raises(ActRefusedError, match="meanwhile"):
            drafted(db, one, Changing(number, 1))
        assert is_newest(db, other.content)
        assert drafted(db, one, Changing(number, 2)) == number


def test_of_two_proposals_under_one_number_the_newer_alone_is_signed(cabinet: sa.Engine) -> None:
    one, other = order(), order(payout={"threshold_tyiyn": 5})
    with cabinet.begin() as db:
        drafted(db, one)
        drafted(db, other)
        assert signed(db, one, FINANCE).missing == 1
        assert signed(db, other, HEAD, 1).missing == 1
        assert "Another proposal" in refused(db, one, HEAD, 2)
        assert signed(db, other, OTHER_FINANCE, 3).missing == 0


def test_an_order_that_was_accepted_meanwhile_makes_the_number_and_the_point_void(
    cabinet: sa.Engine,
) -> None:
    one, late = order(), order(payout={"threshold_tyiyn": 5}, days=1)
    with cabinet.begin() as db:
        drafted(db, one)
        drafted(db, late)
        for second, pin in enumerate((FINANCE, HEAD)):
            signed(db, one, pin, second)
        assert "accepted already" in refused(db, late, FINANCE, 3) or "number" in refused(
            db, late, FINANCE, 3
        )
        conflicting = order(2, payout={"threshold_tyiyn": 5}, days=1)
        drafted(db, conflicting)
        assert "before order 1" in refused(db, conflicting, HEAD, 4)


def test_its_height_and_moment_lie_ahead_when_the_second_signs(cabinet: sa.Engine) -> None:
    one = order(days=1)
    with cabinet.begin() as db:
        drafted(db, one)
        assert "nobody knows" in refused(db, one, HEAD, tip=None)
        signed(db, one, FINANCE)
        assert "already" in refused(db, one, HEAD, 1, tip=TIP + 50)
        assert "already" in refused(db, one, HEAD, 2 * 86_400)
        assert signed(db, one, HEAD, 2).missing == 0


def test_who_left_the_service_between_the_two_does_not_count(
    cabinet: sa.Engine, engine: sa.Engine
) -> None:
    one = order()
    with cabinet.begin() as db:
        drafted(db, one)
        signed(db, one, FINANCE)
        assert "another officer" in refused(db, one, FINANCE, 1)
    with engine.begin() as db:
        end_officer(db, FINANCE, NOW_US + 2 * SECOND_US)
    with cabinet.begin() as db:
        assert signed(db, one, HEAD, 3).missing == 1
        assert signed(db, one, OTHER_FINANCE, 4).missing == 0


def test_who_lost_the_role_between_the_two_does_not_count(
    cabinet: sa.Engine, engine: sa.Engine
) -> None:
    one, anew = order(), order(payout={"threshold_tyiyn": 5})
    with cabinet.begin() as db:
        drafted(db, one)
        drafted(db, anew)
        signed(db, one, HEAD)
    with engine.begin() as db:
        end_role(db, HEAD, OfficerRole.HEAD, NOW_US + SECOND_US)
        grant_role(db, OTHER_FINANCE, OfficerRole.HEAD, NOW_US + SECOND_US)
    with cabinet.begin() as db:
        assert "no role for it any more" in refused(db, one, FINANCE, 2)
        assert signed(db, anew, FINANCE, 3).missing == 1
        assert signed(db, anew, OTHER_FINANCE, 4).missing == 0


def test_a_signature_by_the_command_counts_for_the_role_of_who_gave_it(
    cabinet: sa.Engine, engine: sa.Engine
) -> None:
    one = order()
    with engine.begin() as db:
        propose(db, VERIFIER, one.content, tip_height=TIP, now_us=NOW_US)
        given = signer(FINANCE).sign(one.content)
        assert sign(db, VERIFIER, 1, given, tip_height=TIP, now_us=NOW_US).missing == 1
    with cabinet.begin() as db:
        assert "no role for it" in refused(db, one, OTHER_FINANCE, 1)
        assert signed(db, one, HEAD, 2).missing == 0


def test_of_two_officers_at_once_the_second_accepts(cabinet: sa.Engine) -> None:
    one = order()
    with cabinet.begin() as db:
        drafted(db, one)
        acts = [act_of(db, one, pin) for pin in (FINANCE, HEAD)]
    outcomes: list[Signed] = []
    begun = threading.Event()

    def second() -> None:
        with cabinet.begin() as db:
            begun.set()
            outcomes.append(take_order(db, acts[1], tip_height=TIP, verifier=VERIFIER))

    with cabinet.begin() as db:
        assert take_order(db, acts[0], tip_height=TIP, verifier=VERIFIER).missing == 1
        thread = threading.Thread(target=second)
        thread.start()
        assert begun.wait(LIMIT_S)
    thread.join(LIMIT_S)
    assert [one.missing for one in outcomes] == [0]


def test_the_cabinet_enters_no_signature_that_is_no_signed_act(cabinet: sa.Engine) -> None:
    one = order(calendar=[])
    assert set(one.rules.held()) == {Section.CALENDAR}
    with cabinet.begin() as db:
        propose(db, VERIFIER, one.content, tip_height=None, now_us=NOW_US)
        with pytest.raises(DBAPIError, match="no signed act"), db.begin_nested():
            db.execute(
                sa.text("""
                    INSERT INTO order_signatures
                    SELECT orders.id, officers.id, 'x', sha256('x'), '{}', '{}', added_at
                    FROM orders, officers LIMIT 1
                """)
            )
        for change in ("UPDATE orders SET title = 'x'", "DELETE FROM order_drafts",
                       "UPDATE officers SET name = 'x'"):  # fmt: skip
            with pytest.raises(DBAPIError), db.begin_nested():
                db.execute(sa.text(change))

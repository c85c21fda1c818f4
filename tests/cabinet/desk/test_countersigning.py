"""Acts of two officers: who may be the second, and what happens between the two."""

import threading

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from kench.cabinet.desk import countersigning
from kench.cabinet.desk.countersigning import (
    PairKind,
    WaitingPair,
    digest_of_data,
    sign_pair,
    waiting_pairs,
)
from kench.cabinet.registration.bodies import whole
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.signing.wording import Purpose
from kench.pool.orders.officer_roles import OfficerRole, end_role
from kench.pool.orders.officers import add_officer, end_officer
from tests.support.registration import NOW_US, sign
from tests.support.signing import SECOND_US
from tests.support.two_officers import FINANCE, HEAD, INSPECTOR, OTHER_FINANCE

SUBJECT = "2026-10"
LIMIT_S = 20.0


class Closing(msgspec.Struct, frozen=True):
    """Some data that two sign."""

    period: str
    version: int = 1


DATA = Closing(SUBJECT)


def act_of(
    db: sa.Connection, pin: str, data: Closing = DATA, words: str = "I close it.", after_s: int = 0
) -> SignedAct:
    body = whole([words], data, str)
    return sign(db, Purpose.DECISION, body, pin, now_us=NOW_US + after_s * SECOND_US)


def signed(
    db: sa.Connection, pin: str, data: Closing = DATA, words: str = "I close it.", after_s: int = 0
) -> tuple[SignedAct, SignedAct] | None:
    return sign_pair(db, act_of(db, pin, data, words, after_s), PairKind.PERIOD, SUBJECT, data)


def refused(db: sa.Connection, pin: str, after_s: int = 0) -> str:
    with pytest.raises(ActRefusedError) as error, db.begin_nested():
        signed(db, pin, after_s=after_s)
    return str(error.value)


def test_the_second_signature_of_the_same_data_gives_both_in_whichever_language(
    cabinet: sa.Engine,
) -> None:
    with cabinet.begin() as db:
        assert signed(db, FINANCE, words="Я закрываю.") is None
        (waiting,) = waiting_pairs(db, PairKind.PERIOD)
        both = signed(db, HEAD, words="Мен жабам.", after_s=1)
        assert both is not None
        assert [act.person.pin for act in both] == [FINANCE, HEAD]
        assert waiting == WaitingPair(
            PairKind.PERIOD, SUBJECT, digest_of_data(DATA), both[0].id, both[0].person, NOW_US
        )
        assert not waiting_pairs(db, PairKind.PERIOD)


def test_other_data_begins_another_pair_and_the_older_one_waits_no_more(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        assert signed(db, FINANCE) is None
        assert signed(db, HEAD, Closing(SUBJECT, 2), after_s=1) is None
        (waiting,) = waiting_pairs(db, PairKind.PERIOD)
        assert (waiting.person.pin, waiting_pairs(db, PairKind.ORDER)) == (HEAD, [])
        assert signed(db, FINANCE, Closing(SUBJECT, 2), after_s=2) is not None
        # The older data was never whole, and is not what is asked for any more.
        assert not waiting_pairs(db, PairKind.PERIOD)


def test_what_became_void_long_ago_hides_nothing_that_waits(
    cabinet: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(countersigning, "WAITING_MAX", 2)
    with cabinet.begin() as db:
        for second, subject in enumerate(("a", "b", "c")):
            act = act_of(db, FINANCE, after_s=second)
            assert sign_pair(db, act, PairKind.PERIOD, subject, DATA) is None
        assert [one.subject for one in waiting_pairs(db, PairKind.PERIOD)] == ["b", "c"]
        (first,) = waiting_pairs(db, PairKind.PERIOD, "a")
        assert (first.subject, first.person.pin) == ("a", FINANCE)


def test_nobody_is_both_officers(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        assert signed(db, FINANCE) is None
        assert "already: another" in refused(db, FINANCE, 1)
        assert signed(db, HEAD, after_s=2) is not None


def test_two_of_one_role_are_no_pair_and_other_roles_none_at_all(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        assert "duties do not include" in refused(db, INSPECTOR)
        assert signed(db, FINANCE) is None
        assert "one of the other must" in refused(db, OTHER_FINANCE, 1)
        assert signed(db, HEAD, after_s=2) is not None


def test_a_pair_is_made_once(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        assert signed(db, FINANCE) is None
        assert signed(db, HEAD, after_s=1) is not None
        assert "have signed this already" in refused(db, OTHER_FINANCE, 2)


def test_who_left_or_lost_the_role_in_between_does_not_count(
    cabinet: sa.Engine, engine: sa.Engine
) -> None:
    with cabinet.begin() as db:
        assert signed(db, FINANCE) is None
    with engine.begin() as db:
        end_officer(db, FINANCE, NOW_US + SECOND_US)
    with cabinet.begin() as db:
        assert signed(db, HEAD, after_s=2) is None
    with engine.begin() as db:
        end_role(db, HEAD, OfficerRole.HEAD, NOW_US + 3 * SECOND_US)
        add_officer(db, FINANCE, "Асан Усенов", "back", NOW_US + 4 * SECOND_US)
    with cabinet.begin() as db:
        # Neither of the two counts, so the third signature is the first one again.
        assert signed(db, OTHER_FINANCE, after_s=5) is None


def test_of_two_officers_at_once_one_completes_the_pair(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        acts = [act_of(db, FINANCE), act_of(db, HEAD)]
    outcomes: list[object] = []
    begun = threading.Event()

    def second() -> None:
        with cabinet.begin() as db:
            begun.set()
            outcomes.append(sign_pair(db, acts[1], PairKind.PERIOD, SUBJECT, DATA))

    with cabinet.begin() as db:
        assert sign_pair(db, acts[0], PairKind.PERIOD, SUBJECT, DATA) is None
        thread = threading.Thread(target=second)
        thread.start()
        assert begun.wait(LIMIT_S)
    thread.join(LIMIT_S)
    assert [one is not None for one in outcomes] == [True]


def test_postgresql_takes_no_pair_of_one_person_and_no_act_of_another(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        act = act_of(db, FINANCE)
        add = sa.text("INSERT INTO countersignatures VALUES ('period', '2026-10', sha256('a'), "
                      ":person, :act, now(), :completes)")  # fmt: skip
        for person, completes in ((act.person.id, True), (act.person.id + 1, False)):
            with pytest.raises(DBAPIError), db.begin_nested():
                db.execute(add, {"person": person, "act": act.id, "completes": completes})
        db.execute(add, {"person": act.person.id, "act": act.id, "completes": False})
        for change in ("UPDATE countersignatures SET completes = true",
                       "DELETE FROM countersignatures"):  # fmt: skip
            with pytest.raises(DBAPIError), db.begin_nested():
                db.execute(sa.text(change))

"""Signing something in a login: what follows from it is done with it, or neither is."""

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.signing.acts import SignedAct
from kench.cabinet.signing.requests import open_request
from kench.cabinet.signing.wording import Purpose
from kench.cabinet.web import signing_rooms
from kench.pool.clock import ManualClock
from tests.support.cabinet import Client, cabinet_of, client_of
from tests.support.entering import acts_in, entered, handed_in, signed
from tests.support.pki import NOW_US, SECOND_PIN
from tests.support.signing import authority, signer


def done(db: sa.Connection, act: SignedAct, cabinet: Cabinet) -> str:
    assert (act.subject, cabinet.settings.cabinet_idle_s) == ("7", 1800)
    return f"/p/7/notices?act={act.id}"


def refused(db: sa.Connection, act: SignedAct, cabinet: Cabinet) -> str:
    raise ActRefusedError("There is nothing to sign here.")


def broken(db: sa.Connection, act: SignedAct, cabinet: Cabinet) -> str:
    raise ZeroDivisionError


@pytest.fixture
def cabinet(database: str) -> Iterator[Cabinet]:
    with cabinet_of(database, clock=ManualClock(NOW_US), verifier=authority().verifier()) as made:
        yield made


Opened = tuple[Client, str]


@pytest.fixture
def opened(
    request: pytest.FixtureRequest, cabinet: Cabinet, monkeypatch: pytest.MonkeyPatch
) -> Opened:
    """A person who has entered, and a notice of that person's that waits for a signature."""
    outcome: Callable[..., str] = getattr(request, "param", done)
    monkeypatch.setattr(signing_rooms, "OUTCOMES", {Purpose.NOTICE: outcome})
    client = entered(client_of(cabinet))
    with cabinet.engine.begin() as db:
        login_id = db.exec_driver_sql("SELECT id FROM logins").scalar_one()
        made = open_request(
            db, Purpose.NOTICE, "7", "I stop on Monday.",
            browser=bytes.fromhex(client.cookies["kench_browser"]), login_id=login_id,
            language="en", now_us=NOW_US, random_bytes=lambda size: b"\xaa" * size,
            origin=client.origin,
        )  # fmt: skip
    return client, f"/sign/{made.id}"


def test_what_follows_from_it_leads_on_and_is_on_the_trail(
    cabinet: Cabinet, opened: Opened
) -> None:
    client, path = opened
    assert "I stop on Monday." in client.get(path).text
    assert signed(client, path).headers["location"] == "/p/7/notices?act=2"
    assert acts_in(cabinet)[-1] == ("sign", "done", "notice 7")


def test_somebody_else_cannot_sign_it_and_that_is_on_the_trail(
    cabinet: Cabinet, opened: Opened
) -> None:
    client, path = opened
    came = signed(client, path, signer(SECOND_PIN))
    assert came.status_code == 422
    assert "somebody else" in came.text
    assert acts_in(cabinet)[-1] == ("sign", "other_person", "notice 7")
    assert handed_in(client, path, signer().sign(b"x")).status_code == 422
    assert acts_in(cabinet)[-1] == ("sign", "signature", "notice 7")


def test_in_another_login_of_the_same_browser_it_is_not_signed(
    cabinet: Cabinet, opened: Opened
) -> None:
    client, path = opened
    client.post_form("/leave")
    assert signed(client, path).status_code == 409
    entered(client)
    came = signed(client, path)
    assert came.status_code == 409
    assert "another login" in came.text


@pytest.mark.parametrize(("opened", "status"), [(refused, 409), (broken, 500)], indirect=["opened"])
def test_where_nothing_can_follow_nothing_is_kept(
    cabinet: Cabinet, opened: Opened, status: int
) -> None:
    client, path = opened
    assert signed(client, path).status_code == status
    with cabinet.engine.connect() as db:
        assert db.exec_driver_sql("SELECT count(*) FROM signed_acts").scalar_one() == 1
    assert 'id="signing"' in client.get(path).text

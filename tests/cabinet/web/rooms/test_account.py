"""One's own page: logins are listed and ended, the trail is one's own and nobody else's."""

from collections.abc import Iterator

import pytest

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.pool.clock import ManualClock
from tests.support.cabinet import Client, cabinet_of, client_of
from tests.support.entering import entered
from tests.support.pki import NOW_US, SECOND_PIN
from tests.support.signing import authority, signer


@pytest.fixture
def cabinet(database: str) -> Iterator[Cabinet]:
    with cabinet_of(database, clock=ManualClock(NOW_US), verifier=authority().verifier()) as made:
        yield made


def login_ids(cabinet: Cabinet) -> list[int]:
    with cabinet.engine.connect() as db:
        return list(db.exec_driver_sql("SELECT id FROM logins ORDER BY id").scalars())


def test_a_person_ends_one_login_and_all_others_but_never_another_persons(
    cabinet: Cabinet,
) -> None:
    mine, second, third = (entered(client_of(cabinet)) for _ in range(3))
    stranger = entered(client_of(cabinet), signer(SECOND_PIN))
    _, second_id, _, stranger_id = login_ids(cabinet)
    came = mine.post_form(f"/account/logins/{stranger_id}/end")
    assert came.headers["location"] == "/account?said=login_unknown"
    assert stranger.get("/account").status_code == 200
    came = mine.post_form(f"/account/logins/{second_id}/end")
    assert came.headers["location"] == "/account?said=login_ended"
    assert second.get("/account").status_code == 303
    mine.post_form("/account/logins/end-others")
    assert third.get("/account").status_code == 303
    assert stranger.get("/account").status_code == 200
    page = mine.get("/account").text
    for words in ("Ended a login", "Ended all other logins", "Entered"):
        assert words in page
    assert "Ended a login" not in stranger.get("/account").text


@pytest.mark.parametrize("language", ["ky", "ru", "en"])
def test_the_pages_are_in_every_language(cabinet: Cabinet, language: str) -> None:
    client = entered(client_of(cabinet, language))
    said = {"ky": "Менин барагым", "ru": "Моя страница", "en": "My page"}[language]
    assert f"<title>{said}" in client.get("/account").text


def test_the_trail_says_in_words_what_was_signed(cabinet: Cabinet) -> None:
    client = entered(client_of(cabinet, "ru"))
    with cabinet.engine.begin() as db:
        login = db.exec_driver_sql("SELECT id, person_id FROM logins").one()
        keep_trail(db, TrailEntry(
            NOW_US, "sign", DONE, "notice participant 1",
            person_id=login.person_id, login_id=login.id,
        ))  # fmt: skip
    page = client.get("/account").text
    assert "Уведомление участника" in page
    assert "notice participant" not in page


@pytest.mark.parametrize("before", ["0", "-1", "x", str(2**63)])
def test_a_page_of_the_trail_that_is_none_is_refused(cabinet: Cabinet, before: str) -> None:
    client: Client = entered(client_of(cabinet))
    assert client.get(f"/account?before={before}").status_code == 404
    assert client.post_form(f"/account/logins/{2**70}/end").status_code == 303

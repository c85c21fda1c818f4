"""Links and keys are the owner's to make and to end, each secret is shown once."""

import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from tests.support.cabinet import Client, cabinet_of, client_in, client_of
from tests.support.grants import TECHNICIAN_PIN, Two
from tests.support.pki import PIN, SECOND_PIN
from tests.support.signing import Draw

FIELDS = {"kind": "link", "name": "Wall", "scopes": "hashrate", "days": "30"}

DRAW = Draw()
"""For all tests of the module: they share a database, where no secret comes twice."""


@pytest.fixture
def cabinet(module_database: str, two: Two) -> Iterator[Cabinet]:
    del two
    with cabinet_of(module_database) as made:
        object.__setattr__(made, "random_bytes", DRAW)
        yield made


@pytest.fixture
def owner(cabinet: Cabinet) -> Client:
    return client_in(cabinet, PIN)


def make(client: Client, whose: int, **fields: str) -> str:
    answer = client.post_form(f"/p/{whose}/access", **(FIELDS | fields))
    assert answer.status_code == 200
    found = re.search(
        r'<code class="secret" id="secret">(?:\S+/watch/)?([\w-]{43})</code>', answer.text
    )
    assert found
    return found[1]


def test_the_owner_makes_a_link_that_is_shown_once(owner: Client, two: Two) -> None:
    secret = make(owner, two.first)
    page = owner.get(f"/p/{two.first}/access").text
    assert "Wall" in page
    assert secret not in page


def test_an_ended_link_opens_nothing(owner: Client, cabinet: Cabinet, two: Two) -> None:
    secret = make(owner, two.first)
    watcher = client_of(cabinet)
    assert watcher.get(f"/watch/{secret}").status_code == 200
    page = owner.get(f"/p/{two.first}/access").text
    end = re.search(r'action="(/p/\d+/access/\d+/end)"', page)
    assert end
    answer = owner.post_form(end[1])
    assert answer.headers["location"].endswith("said=grant_ended")
    assert watcher.get(f"/watch/{secret}").status_code == 404
    assert owner.post_form(end[1]).headers["location"].endswith("said=grant_gone")


def test_each_act_is_in_the_trail_without_the_secret(
    owner: Client, cabinet: Cabinet, two: Two
) -> None:
    secret = make(owner, two.first, kind="key", name="Trail")
    with cabinet.engine.connect() as db:
        row = db.execute(sa.text("SELECT * FROM acts ORDER BY id DESC LIMIT 1")).one()
    assert (row.act, row.outcome, row.detail) == ("make_key", "done", "Trail hashrate 30")
    assert secret not in str(row)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": " "}, "grant_name"),
        ({"scopes": "all"}, "grant_scopes"),
        ({"days": "31"}, "grant_days"),
        ({"days": "²"}, "grant_days"),
        ({"days": "9" * 5000}, "grant_days"),
    ],
)
def test_what_cannot_be_made_says_why(
    owner: Client, two: Two, fields: dict[str, str], said: str
) -> None:
    answer = owner.post_form(f"/p/{two.first}/access", **(FIELDS | fields))
    assert answer.headers["location"] == f"/p/{two.first}/access?said={said}"


def test_what_is_neither_link_nor_key_is_refused(owner: Client, two: Two) -> None:
    answer = owner.post_form(f"/p/{two.first}/access", **(FIELDS | {"kind": "door"}))
    assert answer.status_code == 400


@pytest.mark.parametrize(("pin", "status"), [(SECOND_PIN, 404), (TECHNICIAN_PIN, 404), (None, 303)])
def test_nobody_but_its_owner_sees_or_does_any_of_it(
    owner: Client, cabinet: Cabinet, two: Two, pin: str | None, status: int
) -> None:
    make(owner, two.first)
    other = client_in(cabinet, pin) if pin else client_of(cabinet)
    page = f"/p/{two.first}/access"
    assert other.get(page).status_code == status
    assert other.post_form(page, **FIELDS).status_code == status
    assert other.post_form(f"{page}/1/end").status_code == status


def test_an_owner_cannot_end_what_is_anothers(owner: Client, cabinet: Cabinet, two: Two) -> None:
    secret = make(owner, two.first)
    with cabinet.engine.connect() as db:
        number = db.scalar(sa.text("SELECT max(id) FROM access_grants"))
    other = client_in(cabinet, SECOND_PIN)
    answer = other.post_form(f"/p/{two.second}/access/{number}/end")
    assert answer.headers["location"].endswith("said=grant_gone")
    assert client_of(cabinet).get(f"/watch/{secret}").status_code == 200


@pytest.mark.parametrize("number", ["0", "-1", "9" * 30, "x"])
def test_a_number_that_none_has_is_no_page(owner: Client, two: Two, number: str) -> None:
    assert owner.post_form(f"/p/{two.first}/access/{number}/end").status_code in {400, 404}


@pytest.mark.parametrize("language", ["ky", "ru"])
def test_the_pages_are_in_every_language(cabinet: Cabinet, two: Two, language: str) -> None:
    client = client_in(cabinet, PIN, language)
    page = f"/p/{two.first}/access"
    for text in (client.get(page).text, client.post_form(page, **FIELDS).text):
        assert ("Доступ" if language == "ru" else "Жеткиликтүүлүк") in text

"""Tokens of machines: made by who looks after them, shown once, each revoked by itself."""

import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.cabinet import Cabinet
from kench.pool import tokens
from kench.pool.database import open_engine
from kench.pool.tokens import is_in_force
from tests.support.cabinet import Client, cabinet_of, client_in
from tests.support.grants import TECHNICIAN_PIN, Two
from tests.support.pki import PIN, SECOND_PIN
from tests.support.signing import Draw

DRAW = Draw()
"""For all tests of the module: they share a database, where no secret comes twice."""


@pytest.fixture
def cabinet(module_database: str, two: Two) -> Iterator[Cabinet]:
    del two
    with cabinet_of(module_database) as made:
        object.__setattr__(made, "random_bytes", DRAW)
        yield made


@pytest.fixture
def whole(module_database: str) -> Iterator[sa.Engine]:
    """For what the cabinet itself may not read: digests."""
    opened = open_engine(module_database, application_name="test")
    yield opened
    opened.dispose()


@pytest.fixture
def owner(cabinet: Cabinet) -> Client:
    return client_in(cabinet, PIN)


def make(client: Client, whose: int, label: str) -> str:
    answer = client.post_form(f"/p/{whose}/tokens", label=label)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    found = re.search(r'<code class="secret" id="secret">([0-9a-f]{32})</code>', answer.text)
    assert found
    return found[1]


def revoke_page(client: Client, whose: int, label: str) -> str:
    """The address at which the list offers to revoke it."""
    row = next(
        row for row in client.get(f"/p/{whose}/tokens").text.split("<tr>") if f">{label}<" in row
    )
    found = re.search(r'href="(/p/\d+/tokens/\d+/revoke)"', row)
    assert found
    return found[1]


def test_a_token_is_shown_once_and_listed_with_who_made_it(owner: Client, two: Two) -> None:
    token = make(owner, two.first, "Нарын")
    page = owner.get(f"/p/{two.first}/tokens").text
    assert "Нарын" in page
    assert "the operator" in page  # made the first
    assert token not in page


@pytest.mark.parametrize("pin", [PIN, TECHNICIAN_PIN])
def test_who_looks_after_machines_makes_and_revokes_and_the_others_go_on(
    cabinet: Cabinet, whole: sa.Engine, two: Two, pin: str
) -> None:
    client = client_in(cabinet, pin)
    first, second = (make(client, two.first, f"{pin} {one}") for one in "ab")
    asked = client.get(revoke_page(client, two.first, f"{pin} a"))
    assert "cannot be undone" in asked.text
    with whole.connect() as db:
        assert is_in_force(db, two.first, first)
    path = revoke_page(client, two.first, f"{pin} a")
    assert client.post_form(path).headers["location"].endswith("said=token_revoked")
    assert client.post_form(path).headers["location"].endswith("said=token_gone")
    assert client.get(path).status_code == 404
    with whole.connect() as db:
        assert not is_in_force(db, two.first, first)
        assert is_in_force(db, two.first, second)


def test_each_act_is_in_the_trail_without_the_token(
    owner: Client, cabinet: Cabinet, two: Two
) -> None:
    token = make(owner, two.first, "Trail")
    owner.post_form(revoke_page(owner, two.first, "Trail"))
    with cabinet.engine.connect() as db:
        rows = db.execute(sa.text("SELECT * FROM acts ORDER BY id DESC LIMIT 2")).all()
    assert [(row.act, row.outcome, row.detail) for row in rows] == [
        ("revoke_token", "done", ""),
        ("make_token", "done", "Trail"),
    ]
    assert token not in str(rows)


def test_anothers_token_is_revoked_by_nobody_but_its_own_people(
    owner: Client, cabinet: Cabinet, whole: sa.Engine, two: Two
) -> None:
    other = client_in(cabinet, SECOND_PIN)
    token = make(other, two.second, "theirs")
    number = revoke_page(other, two.second, "theirs").split("/")[-2]
    assert other.get(f"/p/{two.first}/tokens").status_code == 404
    path = f"/p/{two.first}/tokens/{number}/revoke"
    assert owner.get(path).status_code == 404
    assert owner.post_form(path).headers["location"].endswith("said=token_gone")
    with whole.connect() as db:
        assert is_in_force(db, two.second, token)


@pytest.mark.parametrize(
    ("bound", "label", "said"),
    [
        ("", " ", "token_label"),
        ("", "x" * 61, "token_label"),
        ("TOKENS_MAX", "x", "token_limit"),
        ("MADE_A_DAY_MAX", "x", "token_today"),
    ],
)
def test_what_cannot_be_made_says_why(  # noqa: PLR0917 - a case, and what it needs
    owner: Client, two: Two, monkeypatch: pytest.MonkeyPatch, bound: str, label: str, said: str
) -> None:
    if bound:
        monkeypatch.setattr(tokens, bound, 1)
    answer = owner.post_form(f"/p/{two.first}/tokens", label=label)
    assert answer.headers["location"].endswith(f"said={said}")
    assert "/said" not in owner.get(answer.headers["location"]).text


@pytest.mark.parametrize("number", ["0", str(2**31), "9" * 30])
def test_a_number_that_no_token_has_is_not_found(owner: Client, two: Two, number: str) -> None:
    path = f"/p/{two.first}/tokens/{number}/revoke"
    assert owner.get(path).status_code == 404
    assert owner.post_form(path).status_code == 404

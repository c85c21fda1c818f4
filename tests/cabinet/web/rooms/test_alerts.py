"""Rules of alerts are made, tested and ended in their room, by its owner or technician."""

import re
from collections.abc import Iterator

import pytest

from kench.cabinet.alerts.outbox import TESTS_MAX
from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.persons import know_person
from tests.support.cabinet import Client, cabinet_of, client_in
from tests.support.grants import TECHNICIAN_PIN, Two
from tests.support.letters import confirm_address
from tests.support.pki import PIN, SECOND_PIN

FIELDS = {"kind": "silent", "bound": "15", "channel": "email", "target": "asan@example.kg",
          "quiet_from": "22:00", "quiet_until": "07:30"}  # fmt: skip
WEBHOOK = {"channel": "webhook", "target": "https://example.com/hook"}


@pytest.fixture
def cabinet(module_database: str, two: Two) -> Iterator[Cabinet]:
    del two
    with cabinet_of(module_database, alerts_smtp_host="127.0.0.1") as made:
        yield made


@pytest.fixture(autouse=True)
def _confirmed(cabinet: Cabinet) -> None:
    with cabinet.engine.begin() as db:
        person = know_person(db, PIN, "Асан Усенов", cabinet.clock.now_us())
        confirm_address(db, person.id, FIELDS["target"], cabinet.clock.now_us())


@pytest.fixture
def owner(cabinet: Cabinet) -> Client:
    return client_in(cabinet, PIN)


def said(client: Client, path: str, **fields: str) -> str:
    return client.post_form(path, **fields).headers["location"].partition("said=")[2]


def newest(client: Client, whose: int, act: str) -> str:
    found = re.findall(
        rf'action="(/p/\d+/alerts/\d+/{act})"', client.get(f"/p/{whose}/alerts").text
    )
    assert found
    return found[-1]


def test_a_rule_is_made_tested_and_ended(owner: Client, two: Two) -> None:
    page = f"/p/{two.first}/alerts"
    assert said(owner, page, **FIELDS) == "rule_made"
    assert "22:00–07:30" in owner.get(page).text
    test, end = newest(owner, two.first, "test"), newest(owner, two.first, "end")
    assert [said(owner, test) for _ in range(TESTS_MAX + 1)] == [
        *["rule_tested"] * TESTS_MAX, "rule_tests",
    ]  # fmt: skip
    assert "Ала-Тоо: a test of alerts" in owner.get(page).text
    assert said(owner, end) == "rule_ended"
    assert said(owner, end) == "rule_gone"
    assert said(owner, test) == "rule_gone"


def test_a_rule_to_a_new_address_asks_it_and_tests_nothing_before_a_yes(
    owner: Client, cabinet: Cabinet, two: Two
) -> None:
    page, new = f"/p/{two.first}/alerts", FIELDS | {"target": "new@example.kg"}
    assert said(owner, page, **new) == "link_sent"
    assert "not confirmed" in owner.get(page).text
    ask = newest(owner, two.first, "ask")
    assert said(owner, ask.replace("/ask", "/test")) == "rule_unconfirmed"
    assert [said(owner, ask) for _ in range(3)] == ["link_sent", "link_sent", "link_too_many"]
    with cabinet.engine.begin() as db:
        person = know_person(db, PIN, "Асан Усенов", cabinet.clock.now_us())
        confirm_address(db, person.id, new["target"], cabinet.clock.now_us())
    assert said(owner, ask) == "link_needless"
    assert said(owner, ask.replace("/ask", "/test")) == "rule_tested"
    assert said(owner, ask.replace("/ask", "/end")) == "rule_ended"
    assert said(owner, ask) == "rule_gone"


def test_a_webhooks_key_is_shown_once(owner: Client, two: Two) -> None:
    page = f"/p/{two.first}/alerts"
    found = re.search(
        r'class="secret">([0-9a-f]{64})<', owner.post_form(page, **FIELDS | WEBHOOK).text
    )
    assert found
    assert found[1] not in owner.get(page).text


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"target": "asan"}, "rule_target"),
        ({"channel": "bot", "target": "1"}, "rule_target"),
        (WEBHOOK | {"target": "http://127.0.0.1/"}, "rule_target"),
        ({"bound": "9"}, "rule_bound"),
        ({"bound": "x"}, "rule_bound"),
        ({"quiet_from": "25:00"}, "rule_quiet"),
    ],
)
def test_what_cannot_be_made_says_why(
    owner: Client, two: Two, fields: dict[str, str], why: str
) -> None:
    assert said(owner, f"/p/{two.first}/alerts", **FIELDS | fields) == why


def test_nobody_ends_or_tests_a_rule_of_anothers(owner: Client, cabinet: Cabinet, two: Two) -> None:
    assert said(owner, f"/p/{two.first}/alerts", **FIELDS) == "rule_made"
    other = client_in(cabinet, SECOND_PIN)
    for act in ("test", "end"):
        theirs = newest(owner, two.first, act).replace(f"/p/{two.first}/", f"/p/{two.second}/")
        assert said(other, theirs) == "rule_gone"
        assert other.post_form(newest(owner, two.first, act)).status_code == 404


@pytest.mark.parametrize("language", ["ky", "ru", "en"])
def test_the_page_is_in_every_language(cabinet: Cabinet, two: Two, language: str) -> None:
    text = client_in(cabinet, TECHNICIAN_PIN, language).get(f"/p/{two.first}/alerts").text
    assert {"ky": "Кабарламалар", "ru": "Оповещения", "en": "Alerts"}[language] in text

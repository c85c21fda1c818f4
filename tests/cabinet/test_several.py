"""Cabinets on one database: what is begun at one ends at another, and limits are of them all."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.login.guard import BROWSER, Asked
from kench.cabinet.sign_on.refusals import Refusal
from kench.cabinet.signing.closing import TRIES_MAX
from tests.cabinet.sign_on.test_sign_on import refused, way
from tests.support.cabinet import Client, cabinet_of, client_of
from tests.support.entering import asked, handed_in, signed
from tests.support.revocation import RealMonotonic
from tests.support.sign_on import CLIENT_ID, CLIENT_SECRET, SignOn, sign_on
from tests.support.signing import authority, signer

DRAWN = 1000


class Two(NamedTuple):
    """One browser, as each of the cabinets meets it."""

    first: Client
    second: Client
    provider: SignOn


@pytest.fixture
def two(database: str) -> Iterator[Two]:
    with sign_on() as provider:
        given = {
            "clock": RealMonotonic(), "verifier": authority().verifier(),
            "oidc_issuer": provider.url, "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": CLIENT_SECRET,
        }  # fmt: skip
        with cabinet_of(database, **given) as one, cabinet_of(database, **given) as other:
            for _ in range(DRAWN):
                other.random_bytes(32)  # two machines draw other numbers
            yield Two(*_one_browser(one, other), provider)


def _one_browser(*cabinets: Cabinet) -> list[Client]:
    clients = [client_of(cabinet) for cabinet in cabinets]
    for client in clients:
        client._cookies = clients[0]._cookies
    return clients


def test_who_begins_to_enter_at_one_enters_at_the_other_once_and_leaves_both(two: Two) -> None:
    assert two.first.get("/account").status_code == 303
    path = asked(two.first)
    content = two.second.get(f"{path}/content").content
    signature = signer().sign(content)
    assert handed_in(two.second, path, signature).status_code == 303
    assert two.first.get("/account").status_code == 200
    assert handed_in(two.first, path, signature).status_code >= 400, "a text is signed once"
    assert two.first.post_form("/leave").status_code == 303
    assert two.second.get("/account").status_code == 303


def test_who_begins_at_one_comes_back_from_the_sign_on_to_the_other_once(two: Two) -> None:
    answer = two.provider.consent(way(two.first))
    assert two.second.get(answer).status_code == 303
    assert two.first.get("/account").status_code == 200
    refused(two.first.get(answer), Refusal.USED)


def test_wrong_signatures_at_either_are_counted_together(two: Two) -> None:
    wrong, statuses = signer().sign(b"something else"), []
    most = BROWSER[Asked.WRONG].at_once
    for number in range(most + 2):
        if number % TRIES_MAX == 0:
            path = asked(two.first)
        at = (two.first, two.second)[number % 2]
        statuses.append(handed_in(at, path, wrong).status_code)
    assert statuses == [422] * most + [429] * 2
    assert signed(two.second, path).status_code == 429


def test_entries_at_either_are_counted_together(two: Two) -> None:
    most = BROWSER[Asked.ENTRY].at_once
    came = [
        (two.first, two.second)[number % 2].post_form("/enter").status_code
        for number in range(most + 2)
    ]
    assert came == [303] * most + [429] * 2

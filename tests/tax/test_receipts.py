"""Receipts: kept once for each message, answered alike when it is repeated, of records alone."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from kench.tax.provider import Provider
from tests.support.tax import (
    CLIENT,
    ENDPOINTS,
    OTHER,
    Asker,
    close_period,
    new_id,
    provider_of,
    put_records,
)

UNKNOWN = "KG-2025-10-999-2025-10-01-1"
PATH = "/v1/income-reports/status"
BOTH = tuple({"client": one, "may": ENDPOINTS} for one in (CLIENT, OTHER))


@pytest.fixture
def provider(database: str) -> Iterator[Provider]:
    with provider_of(database, tax_clients=BOTH) as made:
        yield made


@pytest.fixture
def asker(provider: Provider) -> Asker:
    return Asker(provider)


@pytest.fixture
def names(engine: sa.Engine) -> list[str]:
    with engine.begin() as db:
        made = put_records(db, [7, 8], 2)
        close_period(db)
    return made


def send(asker: Asker, receipts: Any, id_: str | None = None) -> httpx.Response:
    body = json.dumps({"receipts": receipts})
    headers = {"Content-Type": "application/json", "X-Road-Id": id_ or new_id()}
    return asker.post(PATH, content=body, headers=headers)


def accepted(name: str) -> dict[str, str]:
    return {"doc_ref": name, "status": "accepted"}


def rejected(name: str) -> dict[str, str]:
    return {"doc_ref": name, "status": "rejected", "code": "NO-PAYER", "words": "ИНН табылган жок"}


def kept(engine: sa.Engine) -> list[tuple[str, str, str, str]]:
    query = "SELECT doc_ref, consumer, status, code FROM income_receipts ORDER BY id"
    with engine.begin() as db:
        return [tuple(row) for row in db.execute(sa.text(query))]  # type: ignore[misc]


def test_a_batch_is_kept_and_unknown_records_are_named(
    engine: sa.Engine, asker: Asker, names: list[str]
) -> None:
    answer = send(asker, [accepted(names[0]), rejected(names[1]), accepted(UNKNOWN)])
    assert answer.json() == {"recorded": 2, "unknown": [UNKNOWN]}
    assert kept(engine) == [
        (names[0], CLIENT, "accepted", ""),
        (names[1], CLIENT, "rejected", "NO-PAYER"),
    ]


def test_a_repeated_message_is_answered_alike_and_kept_once(
    engine: sa.Engine, asker: Asker, names: list[str]
) -> None:
    id_ = new_id()
    first = send(asker, [accepted(names[0])], id_)
    again = send(asker, [accepted(names[0])], id_.upper())
    assert (again.status_code, again.content) == (200, first.content)
    assert len(kept(engine)) == 1


def test_another_body_by_the_same_id_is_a_conflict(
    engine: sa.Engine, asker: Asker, names: list[str]
) -> None:
    id_ = new_id()
    send(asker, [accepted(names[0])], id_)
    other = send(asker, [rejected(names[0])], id_)
    assert other.status_code == 409
    assert other.json()["type"] == "urn:kench:tax:other-body"
    assert len(kept(engine)) == 1


def test_an_id_is_its_clients_own(
    engine: sa.Engine, provider: Provider, asker: Asker, names: list[str]
) -> None:
    id_ = new_id()
    send(asker, [accepted(names[0])], id_)
    other = send(Asker(provider, OTHER), [rejected(names[1])], id_)
    assert other.json() == {"recorded": 1, "unknown": []}
    assert [row[:2] for row in kept(engine)] == [(names[0], CLIENT), (names[1], OTHER)]

"""What is handed over is what a closed period held, byte for byte, to whom the settings name."""

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import date

import pytest
import sqlalchemy as sa

from kench.tax.provider import Provider
from tests.support.tax import (
    CLIENT,
    PERIOD,
    Asker,
    close_period,
    new_id,
    provider_of,
    put_record,
    put_records,
)


@pytest.fixture
def provider(database: str) -> Iterator[Provider]:
    with provider_of(database) as made:
        yield made


@pytest.fixture
def asker(provider: Provider) -> Asker:
    return Asker(provider)


def all_records(asker: Asker, path: str) -> list[bytes]:
    """The bytes of all records, page by page."""
    found, cursor = [], ""
    while True:
        page = asker.get(path + cursor)
        assert page.status_code == 200, page.text
        for item in page.content.split(b'{"sha256":"')[1:]:
            digest, record = item[:64], item[64:].partition(b'"record":')[2]
            depth = 0
            for at, byte in enumerate(record):
                depth += (byte == 0x7B) - (byte == 0x7D)
                if depth == 0:
                    record = record[: at + 1]
                    break
            assert hashlib.sha256(record).hexdigest().encode() == digest
            found.append(record)
        if "next" not in page.json():
            return found
        cursor = f"&cursor={page.json()['next']}"


def test_nothing_of_an_open_period_is_handed_over(engine: sa.Engine, asker: Asker) -> None:
    with engine.begin() as db:
        (name,) = put_records(db, [7], 1)
    assert asker.get("/v1/periods").json() == {"periods": []}
    assert asker.get(f"/v1/income-reports?period={PERIOD}").status_code == 404
    assert asker.get(f"/v1/income-reports/{name}").status_code == 404
    assert asker.get(f"/v1/periods/{PERIOD}").status_code == 404
    assert asker.get("/v1/corrections").json()["records"] == []


def test_pages_hold_each_record_once_and_as_it_is_kept(engine: sa.Engine, asker: Asker) -> None:
    with engine.begin() as db:
        names = put_records(db, [7, 8, 9], 3)
        close_period(db)
        kept = db.scalars(sa.text("SELECT content FROM income_records ORDER BY sequence")).all()
    path = f"/v1/income-reports?period={PERIOD}&limit=4"
    assert all_records(asker, path) == [bytes(one) for one in kept]
    one = asker.get(f"/v1/income-reports/{names[3]}").json()
    assert one["record"]["doc_ref"] == names[3]


def test_the_periods_digest_is_that_of_the_records_digests(engine: sa.Engine, asker: Asker) -> None:
    with engine.begin() as db:
        put_records(db, [7, 8], 2)
        close_period(db)
    (period,) = asker.get("/v1/periods").json()["periods"]
    records = all_records(asker, f"/v1/income-reports?period={PERIOD}&limit=3")
    digests = b"".join(hashlib.sha256(one).digest() for one in records)
    assert hashlib.sha256(digests).hexdigest() == period["digest"]
    assert period["state"] == "closed"
    assert period["totals"]["records"] == 4


def test_a_period_shows_what_both_officers_signed(engine: sa.Engine, asker: Asker) -> None:
    with engine.begin() as db:
        put_records(db, [7], 1)
        close_period(db)
    whole = asker.get(f"/v1/periods/{PERIOD}").json()
    (closing,) = whole["closings"]
    first, second = closing["signatures"]
    said = base64.b64decode(first["content"]).decode().rstrip("\n").splitlines()[-1]
    assert json.loads(said)["digest"] == whole["digest"]
    assert first["content"] == second["content"]
    assert first["signature"] != second["signature"]
    assert len(first["certificates"]) == 2
    assert first["crls"]


def test_a_reopened_period_hands_over_what_was_closed_until_it_is_closed_again(
    engine: sa.Engine, asker: Asker
) -> None:
    with engine.begin() as db:
        (name,) = put_records(db, [7], 1)
        close_period(db)
        close_period(db, reopens=True)
        correction = put_record(db, 7, date(2025, 10, 1), 2, "correct", net_tyiyn=700)
    path = f"/v1/income-reports?period={PERIOD}"
    assert len(all_records(asker, path)) == 1
    assert asker.get(f"/v1/income-reports/{correction}").status_code == 404
    whole = asker.get(f"/v1/periods/{PERIOD}").json()
    assert (whole["state"], whole["version"], whole["order"]) == ("reopened", 2, 1)
    with engine.begin() as db:
        close_period(db)
    assert [json.loads(one)["doc_ref"] for one in all_records(asker, path)] == [name, correction]


@pytest.mark.parametrize("path", [f"/v1/periods/{PERIOD}", f"/v1/income-reports?period={PERIOD}"])
def test_what_is_closed_within_an_answer_is_in_no_half_of_it(
    engine: sa.Engine, provider: Provider, asker: Asker, path: str
) -> None:
    with engine.begin() as db:
        put_records(db, [7, 8], 1)
        close_period(db)
        close_period(db, reopens=True)
        put_record(db, 7, date(2025, 10, 1), 2, "correct")
    before = asker.get(path).json()
    closed: list[int] = []

    def close_it(*_about: object) -> None:
        if not closed:
            closed.append(0)
            with engine.begin() as db:
                closed.append(close_period(db))

    sa.event.listen(provider.engine, "after_cursor_execute", close_it)
    assert asker.get(path).json() == before
    assert closed == [0, 3]
    sa.event.remove(provider.engine, "after_cursor_execute", close_it)
    assert asker.get(path).json() != before


def test_corrections_come_in_the_order_of_their_release(engine: sa.Engine, asker: Asker) -> None:
    with engine.begin() as db:
        put_records(db, [7], 1, "2025-09")
        put_records(db, [7], 1, "2025-10")
        close_period(db, "2025-09")
        close_period(db, "2025-10")
        close_period(db, "2025-09", reopens=True)
        close_period(db, "2025-10", reopens=True)
        early = put_record(db, 7, date(2025, 9, 1), 2, "correct")
        late = put_record(db, 7, date(2025, 10, 1), 2, "delete")
        close_period(db, "2025-10")
    first = asker.get("/v1/corrections").json()
    assert [one["record"]["doc_ref"] for one in first["records"]] == [late]
    with engine.begin() as db:
        close_period(db, "2025-09")
    second = asker.get(f"/v1/corrections?since={first['next']}").json()
    assert [one["record"]["doc_ref"] for one in second["records"]] == [early]
    third = asker.get(f"/v1/corrections?since={second['next']}").json()
    assert third == {"records": [], "next": second["next"]}
    one_by_one = asker.get("/v1/corrections?limit=1").json()
    again = asker.get(f"/v1/corrections?limit=1&since={one_by_one['next']}").json()
    assert [one["record"]["doc_ref"] for one in again["records"]] == [early]


def test_an_answer_that_the_asker_has_is_not_sent_again(engine: sa.Engine, asker: Asker) -> None:
    with engine.begin() as db:
        put_records(db, [7], 1)
        close_period(db)
    path = f"/v1/income-reports?period={PERIOD}"
    tag = asker.get(path).headers["etag"]
    again = asker.get(path, headers={"If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert asker.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_each_request_leaves_a_row_without_a_personal_number(
    engine: sa.Engine, asker: Asker
) -> None:
    id_ = new_id()
    headers = {"X-Road-Id": id_.upper(), "X-Road-UserId": "KG10103199000456"}
    answer = asker.get("/v1/periods", headers=headers)
    asker.get("/v1/participants/10103199000777/income?from=2025-10-01&to=2025-10-31")
    with engine.begin() as db:
        rows = db.execute(sa.text("SELECT * FROM tax_requests ORDER BY id")).all()
    assert (str(rows[0].xroad_id), rows[0].client, rows[0].user_id, rows[0].status) == (
        id_, CLIENT, "KG10103199000456", 200,
    )  # fmt: skip
    assert bytes(rows[0].answer_sha256) == hashlib.sha256(answer.content).digest()
    assert rows[1].path == "/v1/participants/*/income?from=2025-10-01&to=2025-10-31"
    assert rows[1].status == 404

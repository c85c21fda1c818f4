"""Whatever is sent: nothing leaks, nothing breaks, and each refusal is a problem that says why.

What comes by bytes that no client of HTTP would send is asked of a real server.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from kench.pool.web.patience import PatientProtocol
from kench.tax.app import make_app
from kench.tax.provider import Provider
from kench.tax.queries import cursor_after
from tests.support.pki import NOW_US
from tests.support.tax import (
    CLIENT,
    OTHER,
    PERIOD,
    Asker,
    close_period,
    new_id,
    provider_of,
    put_records,
)
from tests.support.web_servers import listening, serving_at

PATH = "/v1/income-reports/status"
UNKNOWN = "KG-2025-10-999-2025-10-01-1"
ALLOWED = (
    {"client": CLIENT, "may": ("periods", "income-reports", "participants", "corrections",
                               "receipts", "register-entries")},
    {"client": OTHER, "may": ("periods",)},
)  # fmt: skip
PATHS = (
    "/v1/periods", f"/v1/periods/{PERIOD}", f"/v1/income-reports?period={PERIOD}",
    f"/v1/income-reports/{UNKNOWN}", "/v1/corrections", "/v1/register-entries",
    "/v1/participants/10103199000777/income?from=2025-10-01&to=2025-10-31",
)  # fmt: skip
SQL = "' OR 1=1; DROP TABLE income_records; --"


@pytest.fixture(scope="module")
def provider(module_database: str) -> Iterator[Provider]:
    opened = open_engine(module_database, application_name="test")
    with opened.begin() as db:
        put_records(db, [7, 8], 2)
        close_period(db)
    opened.dispose()
    with provider_of(module_database, tax_clients=ALLOWED) as made:
        yield made


@pytest.fixture(scope="module")
def asker(provider: Provider) -> Asker:
    return Asker(provider)


def problem(answer: Any, status: int, name: str) -> None:
    """The answer is that problem, and nothing else."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:kench:tax:{name}"
    assert answer.json()["status"] == status
    assert not [one for one in answer.headers if one.lower().startswith("x-road-")]


def accepted(name: str) -> dict[str, str]:
    return {"doc_ref": name, "status": "accepted"}


@pytest.mark.parametrize("path", PATHS)
def test_nobody_but_named_clients_is_answered(provider: Provider, path: str) -> None:
    for stranger in ("KG/GOV/10000001/taxes2", "KG/GOV/10000001", "EE/GOV/10000001/taxes"):
        problem(Asker(provider, stranger).get(path), 403, "not-allowed")


@pytest.mark.parametrize("path", PATHS)
def test_a_client_is_let_into_what_its_entry_names_alone(provider: Provider, path: str) -> None:
    answer = Asker(provider, OTHER).get(path)
    if path.startswith("/v1/periods"):
        assert answer.status_code == 200
    else:
        problem(answer, 403, "not-allowed")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Road-Client": ""},
        {"X-Road-Client": f"{CLIENT}, {OTHER}"},
        {"X-Road-Client": f"{CLIENT}/"},
        {"X-Road-Client": "KG/GOV/10000001/taxes%00"},
        {"X-Road-Client": "KG/GOV/../taxes"},
        {"X-Road-Client": "KG/GOV/a%2Fb/taxes"},
        {"X-Road-Client": "KG/GOV/%FF/taxes"},
        {"X-Road-Client": "KG/" + "A" * 5000},
        {"X-Road-Client": SQL},
        {"X-Road-Id": ""},
        {"X-Road-Id": "1"},
        {"X-Road-Id": SQL},
        {"X-Road-Id": "{2bd2e1f5-2f4c-4c2a-8a4a-6d1b2f3c4d5e}"},
        {"X-Road-UserId": SQL},
        {"X-Road-Service": "KG/GOV/1"},
        {"X-Road-Request-Hash": "AAAA"},
        {"X-Road-Request-Hash": "\u00e9"},
        {"X-Road-Error": "Server.ServerProxy"},
    ],
)
def test_a_forged_header_is_refused(asker: Asker, headers: dict[str, str]) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    problem(asker.get("/v1/periods", headers=raw), 400, "bad-header")


def test_a_client_is_known_by_any_spelling_of_its_name(provider: Provider) -> None:
    assert Asker(provider, CLIENT.replace("taxes", "%74axes")).get("/v1/periods").is_success


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/periods?x=1", "bad-query"),
        ("/v1/income-reports", "bad-query"),
        ("/v1/income-reports?period=2025-13", "bad-query"),
        (f"/v1/income-reports?period={PERIOD}&period={PERIOD}", "bad-query"),
        (f"/v1/income-reports?period={PERIOD}&limit=0", "bad-query"),
        (f"/v1/income-reports?period={PERIOD}&limit=1001", "bad-query"),
        (f"/v1/income-reports?period={PERIOD}&limit=99999999999999999999999", "bad-query"),
        (f"/v1/income-reports?period={PERIOD}&limit=%D9%A1", "bad-query"),
        (f"/v1/income-reports?period={PERIOD}&cursor=", "bad-cursor"),
        (f"/v1/income-reports?period={PERIOD}&cursor=AAAA", "bad-cursor"),
        (f"/v1/income-reports?period={PERIOD}&cursor=%00", "bad-cursor"),
        (f"/v1/income-reports?period={PERIOD}&cursor={'A' * 500}", "bad-cursor"),
        (f"/v1/income-reports?period={PERIOD}&{'x' * 3000}", "bad-query"),
        (f"/v1/income-reports?period={PERIOD}&{'a=1&' * 50}", "bad-query"),
        ("/v1/income-reports?period=%FF", "bad-query"),
        ("/v1/income-reports?period", "bad-query"),
        (f"/v1/income-reports?period={SQL}", "bad-query"),
        ("/v1/corrections?since=AAAA", "bad-cursor"),
        ("/v1/participants/10103199000777/income", "bad-query"),
        ("/v1/participants/10103199000777/income?from=2025-01-01&to=2035-01-01", "bad-query"),
        ("/v1/participants/10103199000777/income?from=2025-02-30&to=2025-03-01", "bad-query"),
        ("/v1/participants/10103199000777/income?from=2025-03-02&to=2025-03-01", "bad-query"),
    ],
)
def test_a_bad_query_is_refused(asker: Asker, path: str, name: str) -> None:
    problem(asker.get(path), 400, name)


def test_a_cursor_of_something_else_is_refused(asker: Asker) -> None:
    for cursor in (
        cursor_after("reports/2025-09", 1), cursor_after("corrections", 1, 1),
        cursor_after(f"reports/{PERIOD}", 2**63), cursor_after(f"reports/{PERIOD}", -1),
    ):  # fmt: skip
        answer = asker.get(f"/v1/income-reports?period={PERIOD}&cursor={cursor}")
        problem(answer, 400, "bad-cursor")


@pytest.mark.parametrize(
    "path",
    [
        "/", "/v1", "/v1/", "/v1/periods/", "/v2/periods", "/v1/periods/2025-1", "/docs",
        f"/v1/periods/{PERIOD}'", "/v1/periods/%00", "/v1/periods/..%2f..%2fetc%2fpasswd",
        f"/v1/income-reports/{SQL}", "/v1/income-reports/KG-2025-10-7-2025-10-01-99",
        "/v1/income-reports/" + "A" * 2000,
        "/v1/participants/1%20OR%201/income?from=2025-10-01&to=2025-10-31",
        "/v1/participants/\u0661\u0661\u0661/income?from=2025-10-01&to=2025-10-31",
    ],
)  # fmt: skip
def test_what_is_not_there_is_a_problem_too(asker: Asker, path: str) -> None:
    problem(asker.get(path), 404, "not-found")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE"])
def test_there_is_no_other_method(asker: Asker, method: str) -> None:
    answer = asker.request(method, "/v1/periods")
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["allow"] == "GET"


def test_who_asks_too_often_waits(module_database: str, provider: Provider) -> None:
    del provider
    clock = ManualClock(NOW_US)
    given = {"tax_clients": ALLOWED, "tax_requests_per_s": 2.0, "clock": clock}
    with provider_of(module_database, **given) as slow:
        asker = Asker(slow)
        assert [asker.get("/v1/periods").status_code for _ in range(5)] == [200] * 4 + [429]
        problem(asker.get("/v1/periods"), 429, "too-many")
        assert Asker(slow, OTHER).get("/v1/periods").is_success
        clock.advance(1)
        assert asker.get("/v1/periods").is_success


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b"null", b'{"receipts":[]}', b'{"receipts":[{}]}', b"\xff\xfe",
        b'{"receipts":[{"doc_ref":"x","status":"accepted"}]}',
        b'{"receipts":[{"doc_ref":"' + UNKNOWN.encode() + b'","status":"lost"}]}',
        b'{"receipts":[{"doc_ref":"' + UNKNOWN.encode() + b'","status":"rejected"}]}',
        b'{"receipts":[{"doc_ref":"' + UNKNOWN.encode() + b'","status":"accepted","x":1}]}',
        b'{"receipts":[{"doc_ref":"' + UNKNOWN.encode()
        + b'","status":"rejected","code":"A","words":"a\\u0000b"}]}',
        b'{"receipts":[{"doc_ref":"' + UNKNOWN.encode() + b'\\n","status":"accepted"}]}',
        b'{"receipts":[{"doc_ref":"' + UNKNOWN.encode()
        + b'","status":"rejected","code":"A\\n"}]}',
        b'{"receipts":[{"doc_ref":"' + UNKNOWN.encode()
        + b'","status":"accepted","words":"a\\n"}]}',
        b"[" * 5000,
        json.dumps({"receipts": [accepted(UNKNOWN)] * 2}).encode(),
        json.dumps({"receipts": [accepted(UNKNOWN)] * 1001}).encode(),
    ],
)  # fmt: skip
def test_what_is_no_batch_is_refused_and_keeps_nothing(asker: Asker, body: bytes) -> None:
    answer = asker.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:kench:tax:bad-body")


@pytest.mark.parametrize("media", ["text/plain", "application/json; charset=utf-16", ""])
def test_another_kind_of_body_is_refused(asker: Asker, media: str) -> None:
    answer = asker.post(PATH, content=b"{}", headers={"Content-Type": media})
    assert answer.status_code == 415


def test_a_body_that_is_too_large_is_refused(asker: Asker) -> None:
    answer = asker.post(
        PATH, content=b" " * 1_048_577, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:kench:tax:too-large")


def test_the_role_reads_what_is_handed_over_and_nothing_else(provider: Provider) -> None:
    """Also who found a way to have it run any SQL would read no more."""
    for table in (
        "income_records", "income_closings", "signed_acts", "persons", "transfers", "logins",
        "participants", "register_entries", "act_evidence",
    ):  # fmt: skip
        with (
            pytest.raises(sa.exc.ProgrammingError, match="permission denied"),
            provider.engine.connect() as db,
        ):
            db.execute(sa.text(f"SELECT * FROM {table} LIMIT 1"))
    for table in ("tax_requests", "tax_answers"):
        with (
            pytest.raises(sa.exc.ProgrammingError, match="permission denied"),
            provider.engine.begin() as db,
        ):
            db.execute(sa.text(f"UPDATE {table} SET at = now()"))


def test_what_was_asked_is_kept_for_thirty_days_at_least(provider: Provider) -> None:
    row = (
        "INSERT INTO tax_requests (xroad_id, client, user_id, method, path, status, answer_sha256, "
        "at) VALUES (gen_random_uuid(), 'x', '', 'GET', '/', 200, sha256(''), now())"
    )
    with provider.engine.begin() as db:
        db.execute(sa.text(row))
    with (
        pytest.raises(sa.exc.DBAPIError, match="thirty days"),
        provider.engine.begin() as db,
    ):
        db.execute(sa.text("DELETE FROM tax_requests"))


@pytest.fixture(scope="module")
def port(provider: Provider) -> Iterator[int]:
    """A real server of it."""
    with (
        listening() as listener,
        serving_at(listener, make_app(provider), http=PatientProtocol, server_header=False),
    ):
        yield listener.getsockname()[1]


def raw(port: int, request: bytes) -> list[bytes]:
    """The status lines of what is answered to these bytes."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as connection:
        connection.sendall(request)
        said = b""
        while piece := connection.recv(65_536):
            said += piece
    return [line for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def head(*lines: str, method: str = "GET", path: str = "/v1/periods") -> bytes:
    known = ["Host: x", f"X-Road-Client: {CLIENT}", f"X-Road-Id: {new_id()}", *lines]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *known, "", ""]).encode("latin-1")


def test_a_doubled_header_of_xroad_is_refused(port: int) -> None:
    assert raw(port, head("Connection: close")) == [b"HTTP/1.1 200 OK"]
    for line in (f"X-Road-Client: {OTHER}", f"x-road-client: {CLIENT}", f"X-ROAD-ID: {new_id()}"):
        assert raw(port, head(line, "Connection: close")) == [b"HTTP/1.1 400 Bad Request"]


def test_a_second_request_is_not_hidden_in_the_first(port: int) -> None:
    hidden = head(path=f"/v1/income-reports?period={PERIOD}")
    both = ("Content-Length: 5", "Transfer-Encoding: chunked", "Content-Type: application/json")
    answers = raw(port, head(*both, method="POST", path=PATH) + b"0\r\n\r\n" + hidden)
    assert answers == [b"HTTP/1.1 400 Bad Request"]
    for bad in (
        "Content-Length: 5, 6", "Content-Length: +5", "Transfer-Encoding: xchunked",
        "X-Road-UserId: KG1\n\tX-Road-Client: a", "X-Road-Client : a", "X Y: 1",
    ):  # fmt: skip
        found = raw(port, head(bad, "Connection: close", method="POST", path=PATH) + hidden)
        assert len(found) == 1, bad
        assert found[0].startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")), bad

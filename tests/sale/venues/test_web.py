"""Every way an answer can break on its way: the right error, within the time that was given."""

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from kench.pool.clock import SystemClock
from kench.sale.venues.paper import PaperVenue
from kench.sale.venues.port import VenueBusyError, VenueUncertainError, VenueUnreadableError
from kench.sale.venues.web import ANSWER_BYTES_MAX, Web
from tests.support.paper_venue import KEY
from tests.support.web_servers import answering, http_answer, read_request

SHORT_S = 0.3
DRIP_S = 0.02
DRIPS_MAX = 500
"""Bounds a drip that nobody cuts off: then the wrong error is seen, and no test hangs."""
Talk = Callable[[socket.socket], None]


def _web(timeout_s: float = SHORT_S) -> Web:
    return Web("test", SystemClock(), timeout_s)


def _after_reading(answer: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer)

    return talk


def _drip(head: bytes, piece: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(head)
        pause = threading.Event()
        for _ in range(DRIPS_MAX):
            connection.sendall(piece)
            pause.wait(DRIP_S)

    return talk


def _silence(connection: socket.socket) -> None:
    read_request(connection)
    connection.settimeout(DRIP_S * DRIPS_MAX)
    connection.recv(1)


@contextlib.contextmanager
def _nobody() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


CUTS: dict[str, Talk] = {
    "before the question is read": lambda connection: None,
    "without a word": _after_reading(b""),
    "in the head": _after_reading(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "in the body": _after_reading(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a"'),
    "in a chunk": _after_reading(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n{"),
    "no HTTP at all": _after_reading(b"\x16\x03\x01 SSH-2.0 \x00\xff\r\n\r\n"),
    "a head without end": _after_reading(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 1_000_000),
    "an impossible length": _after_reading(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}"),
    "two lengths": _after_reading(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"
    ),
}


@pytest.mark.parametrize("talk", CUTS.values(), ids=CUTS)
def test_an_answer_that_breaks_off_is_uncertain(talk: Talk) -> None:
    with answering(talk) as url, pytest.raises(VenueUncertainError):
        _web(10.0).ask("POST", url, {}, b"{}")


SLOW: dict[str, Talk] = {
    "silence": _silence,
    "a head in drips": _drip(b"HTTP/1.1 200 OK\r\nX: ", b"a"),
    "a body in drips": _drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" "),
    "chunks in drips": _drip(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"
    ),
    "interim answers without end": _drip(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
}


@pytest.mark.parametrize("talk", SLOW.values(), ids=SLOW)
def test_the_time_limit_is_for_the_whole_answer_however_it_drips(talk: Talk) -> None:
    with (
        answering(talk) as url,
        pytest.raises(VenueUncertainError, match=r"no whole answer in 0\.3 s"),
    ):
        _web().ask("GET", url, {})


def test_an_answer_without_end_is_cut_off_by_its_size() -> None:
    def talk(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in itertools.repeat(None, 2 * ANSWER_BYTES_MAX // 65_536):
            connection.sendall(b" " * 65_536)

    with (
        answering(talk) as url,
        pytest.raises(VenueUncertainError, match=f"more than {ANSWER_BYTES_MAX}"),
    ):
        _web(60.0).ask("GET", url, {})


def test_where_nobody_listens_nothing_was_done() -> None:
    with _nobody() as url, pytest.raises(VenueBusyError, match="cannot be reached"):
        _web().ask("POST", url, {}, b"{}")


def test_a_redirect_is_not_followed() -> None:
    elsewhere = "Location: http://127.0.0.1:1/"
    with answering(_after_reading(http_answer(b"", "307 Temporary Redirect", elsewhere))) as url:
        assert _web().ask("POST", url, {}, b"{}").status == 307


def test_each_question_has_a_connection_of_its_own() -> None:
    served = []

    def talk(connection: socket.socket) -> None:
        served.append(read_request(connection))
        connection.sendall(http_answer(b"{}"))

    with answering(talk) as url:
        web = _web(10.0)
        assert [web.ask("GET", url, {}).body for _ in range(3)] == [b"{}"] * 3
    assert len(served) == 3


def _said(amount: str = "9", filled: str = "0", **texts: str) -> bytes:
    """An order as the venue says it; amounts go in as they are."""
    words = {"order_id": "1", "client_id": "a", "state": "open", "reason": "", **texts}
    fields = [f'"{name}":"{text}"' for name, text in words.items()]
    fields += [f'"amount_sat":{amount}', f'"filled_sat":{filled}']
    return ("{" + ",".join(fields) + "}").encode()


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "a page": b"<html>It works</html>",
    "half of it": _said()[:40],
    "a list": b"[]",
    "null": b"null",
    "NaN": _said("NaN"),
    "text for a number": _said('"9"'),
    "1e400": _said("1e400"),
    "a part of a satoshi": _said("9.5"),
    "a number without end": _said("9" * 5000),
    "more sold than there was": _said(filled="10"),
    "less than nothing": _said("-9"),
    "another order": _said(client_id="b"),
    "another amount": _said("8"),
    "a state of its own": _said(state="odd"),
    "deep nesting": b"[" * 100_000,
    "no UTF-8": b'{"order_id":"\xff\xfe"}',
    "a NUL in an id": _said(order_id="1\\u0000"),
}


def test_an_answer_that_can_be_an_order_is_one() -> None:
    with answering(_after_reading(http_answer(_said()))) as url:
        venue = PaperVenue("test", url, KEY, _web(10.0), SystemClock())
        assert venue.place_limit_ioc("a", 9, Decimal(1), 0).amount_sat == 9


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_an_answer_that_cannot_be_an_order_is_unreadable(body: bytes) -> None:
    with answering(_after_reading(http_answer(body))) as url:
        venue = PaperVenue("test", url, KEY, _web(10.0), SystemClock())
        with pytest.raises(VenueUnreadableError):
            venue.place_limit_ioc("a", 9, Decimal(1), 0)


@pytest.mark.parametrize(
    "status",
    ["500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable", "504 Timeout",
     "400 Bad Request", "404 Not Found", "302 Found", "204 No Content", "201 Created"],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"<html>Proxy</html>", b"{"])
def test_a_status_that_somebody_else_may_have_said_leaves_the_order_open(
    status: str, body: bytes
) -> None:
    body = b"" if status.startswith("204") else body
    with answering(_after_reading(http_answer(body, status))) as url:
        venue = PaperVenue("test", url, KEY, _web(10.0), SystemClock())
        with pytest.raises((VenueUncertainError, VenueUnreadableError)):
            venue.place_limit_ioc("a", 9, Decimal(1), 0)
        with pytest.raises((VenueUncertainError, VenueUnreadableError)):
            venue.look_up("a")


def test_pages_without_end_are_given_up() -> None:
    page = http_answer(b'{"trades": [], "next": 5}')
    with answering(_after_reading(page)) as url:
        venue = PaperVenue("test", url, KEY, _web(10.0), SystemClock())
        with pytest.raises(VenueUnreadableError, match="no end"):
            venue.fills("a")

"""A connection that says or reads nothing is cut off; what HTTP leaves open is refused."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from kench.pool.web import bodies, patience
from kench.pool.web.bodies import BodyTooSlowError, BoundBodies
from kench.pool.web.patience import PatientProtocol
from kench.pool.web.serving import HEAD_BYTES_MAX
from tests.support.half_close import half_close

WAIT_S = 20.0
BIG = bytes(64 * 1024 * 1024)


class Seen:
    """An application that keeps what it was asked."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.late = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])
        status = 200
        if scope["path"] == "/refused":
            head = [(b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 403, "headers": head})
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            while (await receive()).get("more_body"):
                pass
        except BodyTooSlowError as error:
            status = error.status_code
            self.late.set()
        body = BIG if scope["path"] == "/big" else b"ok"
        head = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def served(most: int = 100, *, bare: bool = False) -> Iterator[tuple[Seen, int]]:
    """Serve one, with the cabinet's own protocol; `bare`: with nothing around it."""
    app = Seen()
    bounded = app if bare else BoundBodies(app)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        bounded, http=PatientProtocol, ws="none", log_config=None, access_log=False,
        lifespan="off", limit_concurrency=most, h11_max_incomplete_event_size=HEAD_BYTES_MAX,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield app, listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(WAIT_S)
        listener.close()
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Seen, int]]:
    with served() as both:
        yield both


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), WAIT_S)


def all_of(connection: socket.socket) -> bytes:
    """What comes until the other side ends it, which it does in time."""
    came = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            came += piece
    return came


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
def test_who_does_not_finish_a_head_is_cut_off(
    begun: bytes, running: tuple[Seen, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.2)
    with connected(running[1]) as connection:
        connection.sendall(begun)
        assert all_of(connection) == b""


def test_so_is_who_begins_a_second_head_and_does_not_finish(
    running: tuple[Seen, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.2)
    with connected(running[1]) as connection:
        connection.sendall(b"GET /first HTTP/1.1\r\nHost: a\r\n\r\nG")
        assert all_of(connection).endswith(b"ok")


def test_who_does_not_read_the_answer_is_cut_off(
    running: tuple[Seen, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "READ_S", 0.2)
    lost = threading.Event()
    really = PatientProtocol.connection_lost

    def told(self: PatientProtocol, error: Exception | None) -> None:
        really(self, error)
        lost.set()

    monkeypatch.setattr(PatientProtocol, "connection_lost", told)
    with connected(running[1]) as connection:
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        assert lost.wait(WAIT_S)


@pytest.mark.parametrize("bound", ["PIECE_S", "BODY_S"])
def test_a_body_that_does_not_come_is_given_up(
    bound: str, running: tuple[Seen, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, bound, 0.2)
    with connected(running[1]) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 408 ")


def test_one_connection_too_many_is_ended_at_once() -> None:
    with served(most=2) as (_, port), contextlib.ExitStack() as held:
        both = [held.enter_context(connected(port)) for _ in range(2)]
        for one in both:
            one.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")
        with connected(port) as third:
            assert all_of(third) == b""


ONE = b"GET /one HTTP/1.1\r\nHost: a\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
UNCLEAR = {
    "length and chunks": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 30\r\n\r\n",
    "a length with a sign": b"Content-Length: +30\r\n\r\n",
    "a length that is none": b"Content-Length: 0x1e\r\n\r\n",
    "chunks by another name": b"Transfer-Encoding: xchunked\r\n\r\n",
    "chunks twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n",
    "a blank before the colon": b"Content-Length : 30\r\n\r\n",
    "two hosts": b"Host: b\r\n\r\n",
    "a NUL in a header": b"X: a\0b\r\n\r\n",
    "a return in a header": b"X: a\rTransfer-Encoding: chunked\r\n\r\n",
    "a head without end": b"X: " + b"a" * (HEAD_BYTES_MAX + 70_000),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_what_two_servers_could_read_in_two_ways_is_refused_or_read_as_one(
    name: str, running: tuple[Seen, int]
) -> None:
    """No bytes of a body are taken for a request (smuggling): h11 is strict, and stays so."""
    app, port = running
    app.paths.clear()
    with connected(port) as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(ONE + UNCLEAR[name] + HIDDEN)
        half_close(connection)
        answer = all_of(connection)
        assert answer.startswith(b"HTTP/1.1 400 ") or answer.count(b"HTTP/1.1 ") == 1, answer[:200]
    assert "/hidden" not in app.paths


def test_where_a_request_is_refused_unread_nothing_hides_in_it_either() -> None:
    """Whoever answers before lengths are counted: a shield, a router, the application of a twin."""
    unclear = b"POST /refused HTTP/1.1\r\nHost: a\r\n" + UNCLEAR["length and chunks"] + HIDDEN
    with served(bare=True) as (app, port), connected(port) as connection:
        connection.sendall(unclear)
        answer = all_of(connection)
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert answer.count(b"HTTP/1.1 ") == 1
        assert app.paths == ["/refused"]

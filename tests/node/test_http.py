"""JSON-RPC over HTTP as Core speaks it: versions, batches, statuses, passwords, bounds."""

import base64
import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from kench.node import server
from kench.node.rpc import Dispatcher, Method, Parameter
from tests.support.nodes import Node, Rpc

LIMIT_S = 10.0


def test_a_version_1_request_has_result_error_and_id(node: Node) -> None:
    for version in ({}, {"jsonrpc": "1.0"}):
        status, answer = node.rpc.post(
            {"method": "getblockhash", "params": [0], "id": 7, **version}
        )
        assert status == 200
        assert list(answer) == ["result", "error", "id"]
        assert (answer["error"], answer["id"]) == (None, 7)


def test_a_version_2_request_has_result_or_error(node: Node) -> None:
    request = {"jsonrpc": "2.0", "method": "getblockhash", "params": [0], "id": "x"}
    status, answer = node.rpc.post(request)
    assert (status, list(answer)) == (200, ["jsonrpc", "result", "id"])
    status, answer = node.rpc.post({**request, "params": [-1]})
    assert (status, list(answer)) == (200, ["jsonrpc", "error", "id"])
    assert answer["error"]["code"] == -8
    status, answer = node.rpc.post({**request, "method": "nosuchmethod"})
    assert (status, answer["error"]["code"]) == (200, -32601)


def test_a_version_2_notification_has_no_answer(node: Node) -> None:
    assert node.rpc.post({"jsonrpc": "2.0", "method": "uptime"}) == (204, None)


@pytest.mark.parametrize(
    ("request_body", "status", "code"),
    [
        ({"method": "getblockhash", "params": [-1], "id": 1}, 500, -8),
        ({"method": "nosuchmethod", "id": 1}, 404, -32601),
        ({"params": [], "id": 1}, 400, -32600),
        ({"method": 5, "id": 1}, 400, -32600),
        ({"method": "uptime", "params": "x", "id": 1}, 400, -32600),
        ({"method": "uptime", "jsonrpc": 2, "id": 1}, 400, -32600),
        ({"method": "uptime", "jsonrpc": "3.0", "id": 1}, 400, -32600),
        (b"{", 500, -32700),
        (b"", 500, -32700),
        (b"5", 500, -32700),
        (b"\xff\xfe\x00", 500, -32700),
    ],
)
def test_a_fault_has_cores_status_and_code(
    node: Node, request_body: object, status: int, code: int
) -> None:
    got, answer = node.rpc.post(request_body)
    assert (got, answer["error"]["code"]) == (status, code)
    assert answer["result"] is None


def test_a_batch_is_answered_as_a_batch(node: Node) -> None:
    status, answers = node.rpc.post(
        [
            {"method": "getblockhash", "params": [0], "id": 1},
            {"jsonrpc": "2.0", "method": "nosuchmethod", "id": 2},
            5,
            {"jsonrpc": "2.0", "method": "uptime"},
        ]
    )
    assert status == 200
    assert [answer.get("id") for answer in answers[:2]] == [1, 2]
    assert answers[1]["error"]["code"] == -32601
    assert answers[2]["error"]["code"] == -32600
    assert len(answers) == 3
    assert node.rpc.post([]) == (200, [])
    assert node.rpc.post([{"jsonrpc": "2.0", "method": "uptime"}]) == (204, None)


def test_parameters_may_have_names(node: Node) -> None:
    request = {"method": "getblockhash", "params": {"height": 0}, "id": 1}
    _, answer = node.rpc.post(request)
    assert answer["result"] == node.rpc.call("getblockhash", 0)
    _, answer = node.rpc.post({**request, "params": {"depth": 0}})
    assert answer["error"] == {"code": -8, "message": "Unknown named parameter depth"}


@pytest.mark.parametrize("credentials", ["", "__cookie__:0", "user:password", "caf\u00e9:"])
def test_b19_a_wrong_password_is_401(node: Node, credentials: str) -> None:
    with closing(Rpc(node.rpc.port, credentials)) as rpc:
        status, answer = rpc.post({"method": "uptime", "id": 1})
        assert (status, answer) == (401, None)
        # The connection lives: with the right password it goes on.
        rpc.credentials = node.rpc.credentials
        assert rpc.post({"method": "uptime", "id": 1})[0] == 200


def test_no_password_is_401_and_names_the_realm(node: Node) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", node.rpc.port, timeout=LIMIT_S)) as one:
        one.request("POST", "/", b"{}")
        response = one.getresponse()
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Basic realm="jsonrpc"'


def test_only_post_is_served(node: Node) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", node.rpc.port, timeout=LIMIT_S)) as one:
        one.request("GET", "/")
        assert one.getresponse().status == 405


def test_another_path_is_404(node: Node) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", node.rpc.port, timeout=LIMIT_S)) as one:
        token = base64.b64encode(node.rpc.credentials.encode()).decode()
        one.request("POST", "/other", b"{}", {"Authorization": f"Basic {token}"})
        assert one.getresponse().status == 404


def test_one_connection_serves_many_calls(node: Node) -> None:
    with closing(node.rpc.another()) as rpc:
        ports = set()
        for _ in range(5):
            rpc.call("getblockcount")
            assert rpc._connection.sock is not None
            ports.add(rpc._connection.sock.getsockname()[1])
    assert len(ports) == 1


# ---- kench node's own server, in this process ----


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Iterator[server.RpcServer]:
    """The HTTP server with one method, and room for three connections."""
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 3)
    running = server.RpcServer("127.0.0.1", 0)
    methods = {"echo": Method(lambda text: text, (Parameter("text", (str,)),))}
    running.serve(Dispatcher(methods), "user:word")
    yield running
    running.stop()


def test_a_megabyte_goes_both_ways(echo: server.RpcServer) -> None:
    text = "ab" * 4_000_000
    with closing(Rpc(echo.port, "user:word")) as rpc:
        assert rpc.call("echo", text) == text


def test_more_connections_than_places_are_closed_and_places_come_back(
    echo: server.RpcServer,
) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            rpc = stack.enter_context(closing(Rpc(echo.port, "user:word")))
            assert rpc.call("echo", "x") == "x"
        with (
            closing(Rpc(echo.port, "user:word", LIMIT_S)) as fourth,
            pytest.raises((ConnectionError, http.client.RemoteDisconnected)),
        ):
            fourth.call("echo", "x")
    # The three left: a place is free as soon as the server sees it.
    for _ in range(100):
        with closing(Rpc(echo.port, "user:word", LIMIT_S)) as late:
            try:
                assert late.call("echo", "y") == "y"
            except OSError:
                continue
            return
    pytest.fail("no place came back")


@pytest.mark.parametrize(
    ("length", "status"), [(str(0x0200_0001), 413), ("-1", 400), ("many", 400)]
)
def test_a_request_of_no_fit_size_is_refused(
    echo: server.RpcServer, length: str, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", echo.port), LIMIT_S) as one:
        one.sendall(f"POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode())
        assert one.recv(4096).startswith(f"HTTP/1.1 {status}".encode())


def test_a_peer_that_leaves_in_the_middle_harms_nobody(
    echo: server.RpcServer, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", echo.port), LIMIT_S) as one:
            one.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nhalf")
    for _ in range(100):
        with closing(Rpc(echo.port, "user:word", LIMIT_S)) as rpc:
            try:
                assert rpc.call("echo", "x") == "x"
            except OSError:
                continue
            break
    assert capfd.readouterr().err == ""


def test_a_silent_connection_is_closed(
    echo: server.RpcServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server._Handler, "timeout", 0.05)
    with socket.create_connection(("127.0.0.1", echo.port), LIMIT_S) as one:
        assert one.recv(1) == b""


def test_values_are_checked_before_a_method_runs() -> None:
    seen: list[Any] = []
    method = Method(
        lambda *given: seen.append(given),
        (Parameter("n", (int,)), Parameter("yes", (bool,), required=False, default=True)),
    )
    dispatcher = Dispatcher({"m": method})
    for wrong in (b"[true]", b'["1"]', b"[1.5]", b"[1, 1]", b"[]", b"[1, true, 1]", b"[null]"):
        body = b'{"method": "m", "id": 1, "params": ' + wrong + b"}"
        assert dispatcher.reply(body).status == 500
    assert seen == []
    assert dispatcher.reply(b'{"method": "m", "id": 1, "params": [1]}').status == 200
    assert seen == [(1, True)]

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from benchmarks.load.ports import free_ports
from kench.pool.rpc import (
    Node,
    NodeAddressError,
    NodeBusyError,
    NodeError,
    NodeFaultError,
    NodeGarbledError,
    NodeRefusedPasswordError,
    NodeTimeoutError,
    NodeUnreachableError,
    NodeWarmingUpError,
)
from tests.support.fake_nodes import (
    PASSWORD,
    HealthyNode,
    NodeOfGarbage,
    NodeThatClosesKeptConnections,
    NodeThatHangs,
    NodeThatSaysOfBlocks,
    NodeThatTrickles,
    NodeThatWarmsUp,
    NodeTooBusy,
    NodeWithManyTransactions,
)
from tests.support.waiting import await_that


def test_a_call_returns_the_result() -> None:
    with HealthyNode("ab" * 32) as served:
        assert Node(served.url).call("getbestblockhash") == "ab" * 32


def test_hex_is_sent_as_any_parameter_is() -> None:
    with NodeThatSaysOfBlocks() as served:
        served.results = ["high-hash"]
        line = Node(served.url).line()
        for digits in (b"", b"00ff" * 500_000):
            assert line.call_with_hex("submitblock", digits) == "high-hash"
        with pytest.raises(NodeError) as error:
            line.call_with_hex("nosuchmethod", b"00")
        assert error.value.code == -32601
        line.close()


def test_an_rpc_error_has_code_and_message() -> None:
    with HealthyNode() as served, pytest.raises(NodeError, match="Method not found") as caught:
        Node(served.url).call("nosuchmethod")
    assert caught.value.code == -32601


def test_a_node_that_starts_is_warming_up() -> None:
    with NodeThatWarmsUp() as served, pytest.raises(NodeWarmingUpError, match="Loading"):
        Node(served.url).call("getbestblockhash")


def test_a_refused_password_names_the_setting_and_never_the_password() -> None:
    with HealthyNode() as served:
        node = Node(f"http://kench:wrong-secret@127.0.0.1:{served.port}", "first")
        with pytest.raises(NodeRefusedPasswordError, match="KENCH_NODE_URLS") as caught:
            node.call("getbestblockhash")
    shown = f"{caught.value} {caught.value!r} {node!r} {vars(node)}"
    assert "wrong-secret" not in shown


def test_after_a_refusal_the_connection_serves_again() -> None:
    with HealthyNode() as served:
        node = Node(served.url)
        served.credentials = "kench:other"
        with pytest.raises(NodeRefusedPasswordError):
            node.call("getbestblockhash")
        served.credentials = f"kench:{PASSWORD}"
        assert node.call("getbestblockhash") == served.tip_hash


def test_b19_a_cookie_that_rotates_is_read_again(tmp_path: Path) -> None:
    cookie = tmp_path / ".cookie"
    cookie.write_text(f"kench:{PASSWORD}")
    with HealthyNode() as served:
        node = Node(f"http://127.0.0.1:{served.port}?cookie={cookie}")
        assert node.call("getbestblockhash") == served.tip_hash
        served.credentials = "__cookie__:next"
        cookie.write_text("__cookie__:next")
        assert node.call("getbestblockhash") == served.tip_hash
        served.credentials = "__cookie__:unknown"
        with pytest.raises(NodeRefusedPasswordError):
            node.call("getbestblockhash")


def test_b19_another_connection_finds_the_cookie_that_the_first_has_renewed(tmp_path: Path) -> None:
    cookie = tmp_path / ".cookie"
    cookie.write_text(f"kench:{PASSWORD}")
    with HealthyNode() as served:
        node = Node(f"http://127.0.0.1:{served.port}?cookie={cookie}")
        lines = [node.line(), node.line()]
        assert [line.call("getbestblockhash") for line in lines] == [served.tip_hash] * 2
        served.credentials = "__cookie__:next"
        cookie.write_text("__cookie__:next")
        assert [line.call("getbestblockhash") for line in lines] == [served.tip_hash] * 2


def test_a_missing_cookie_file_says_how_to_mend_it(tmp_path: Path) -> None:
    node = Node(f"http://127.0.0.1:1?cookie={tmp_path / 'none'}")
    with pytest.raises(NodeUnreachableError, match="start the node or correct KENCH_NODE_URLS"):
        node.call("getbestblockhash")


def test_nobody_listening_is_unreachable() -> None:
    (port,) = free_ports(1)
    with pytest.raises(NodeUnreachableError, match="Connection refused"):
        Node(f"http://u:p@127.0.0.1:{port}").call("getbestblockhash")


def test_a_full_work_queue_is_busy() -> None:
    with NodeTooBusy() as served, pytest.raises(NodeBusyError, match="rpcworkqueue"):
        Node(served.url).call("getbestblockhash")


def test_a_hanging_node_times_out() -> None:
    with NodeThatHangs() as served, pytest.raises(NodeTimeoutError):
        Node(served.url).call("getbestblockhash", timeout_s=0.1)


def test_a_trickling_answer_ends_at_the_deadline_of_the_whole_call() -> None:
    with NodeThatTrickles() as served:
        began_s = time.monotonic()
        with pytest.raises(NodeTimeoutError):
            Node(served.url).call("getbestblockhash", timeout_s=0.3)
        assert 0.25 < time.monotonic() - began_s < 5


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"<html>",
        b"[]",
        b"7",
        b"{}",
        b'{"result": NaN, "error": null}',
        b'{"error": "no"}',
        b'{"error": {"code": "x"}}',
        b"\xff\xfe",
        b"[" * 200_000,
    ],
)
def test_garbage_is_told_from_a_node(garbage: bytes) -> None:
    with NodeOfGarbage() as served:
        served.garbage = garbage
        with pytest.raises(NodeGarbledError, match="no Bitcoin node"):
            Node(served.url).call("getbestblockhash")


def test_a_web_server_is_told_from_a_node() -> None:
    with NodeOfGarbage() as served:
        served.kind = "text/html"
        with pytest.raises(NodeGarbledError, match="KENCH_NODE_URLS"):
            Node(served.url).call("getbestblockhash")


def test_a_kept_connection_that_the_node_closed_is_opened_anew() -> None:
    with NodeThatClosesKeptConnections() as served:
        node = Node(served.url)
        assert [node.call("getbestblockhash") for _ in range(3)] == [served.tip_hash] * 3
        assert len(served.calls) == 3


def test_an_answer_of_ten_megabytes_arrives_whole() -> None:
    with NodeWithManyTransactions() as served:
        answer = Node(served.url).call("getblocktemplate", {})
    assert len(answer["padding"]) == served.padding


def test_an_answer_beyond_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kench.pool.rpc_connection.ANSWER_BYTES_MAX", 1_000_000)
    with NodeWithManyTransactions() as served, pytest.raises(NodeGarbledError):
        Node(served.url).call("getblocktemplate", {})


def test_an_answer_that_breaks_off_is_told_from_garbage() -> None:
    class NodeThatBreaksOff(HealthyNode):
        def send(self, http: BaseHTTPRequestHandler, content: bytes, *more: Any) -> None:
            http.close_connection = True
            http.send_response(200)
            http.send_header("Content-Type", "application/json")
            http.send_header("Content-Length", str(len(content) + 1))
            http.end_headers()
            http.wfile.write(content)

    with NodeThatBreaksOff() as node, pytest.raises(NodeUnreachableError):
        Node(node.url).call("getbestblockhash")


def test_a_line_is_cut_by_another_thread_in_the_midst_of_a_call() -> None:
    with NodeThatHangs() as served:
        line = Node(served.url).line()
        faults: list[NodeFaultError] = []

        def wait() -> None:
            try:
                line.call("getbestblockhash", timeout_s=20)
            except NodeFaultError as fault:
                faults.append(fault)

        thread = threading.Thread(target=wait)
        thread.start()
        await_that(lambda: served.calls)
        began_s = time.monotonic()
        line.cut()
        thread.join(5)
        assert time.monotonic() - began_s < 2
        assert isinstance(faults[0], NodeUnreachableError)
        with pytest.raises(NodeUnreachableError, match="cut"):
            line.call("getbestblockhash")


def test_each_thread_has_its_own_connection() -> None:
    with HealthyNode() as served:
        node = Node(served.url)
        results: list[str] = []
        threads = [
            threading.Thread(
                target=lambda: results.extend(node.call("getbestblockhash") for _ in range(20))
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert results == [served.tip_hash] * 80


def test_percent_encoded_credentials_are_decoded() -> None:
    with HealthyNode() as served:
        served.credentials = "us@er:p/a:s#s"
        node = Node(f"http://us%40er:p%2Fa%3As%23s@127.0.0.1:{served.port}")
        assert node.call("getbestblockhash") == served.tip_hash


@pytest.mark.parametrize(
    "url",
    [
        "http://user:sesame@host",
        "https://user:sesame@host:1",
        "http://user@host:1",
        "http://host:1",
        "http://user:sesame@host:99999",
        "http://user:sesame@host:1?cookie=/x",
        "http://[user:sesame@host:1",
    ],
)
def test_an_unusable_url_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(NodeAddressError, match="KENCH_NODE_URLS") as caught:
        Node(url)
    assert "sesame" not in str(caught.value)


def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    with pytest.raises(NodeUnreachableError):
        Node("http://u:p@no-such-host.invalid:1").call("getbestblockhash")


def test_the_socket_is_closed_when_the_call_ends_badly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        node = Node(f"http://u:p@127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(NodeTimeoutError):
            node.call("getbestblockhash", timeout_s=0.1)
        peer, _ = listener.accept()
        with peer:
            peer.settimeout(5)
            while peer.recv(65536):
                pass

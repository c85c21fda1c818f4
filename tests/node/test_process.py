"""The process `kench node`: ready line, cookie, stop, kill, restart, faults said in one line."""

import http.client
import os
import resource
import signal
import socket
import stat
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.node.conftest import ADDRESS
from tests.support.blocks import build_block, hash_of, on_parent
from tests.support.nodes import Node, Rpc, RpcFaultError, kench_command, kench_node

LIMIT_S = 20.0
STOP_S = 3.0


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        kench_command("node", *arguments),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def _assert_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("kench node: ")
    assert all(word in done.stderr for word in words)
    assert "ready" not in done.stdout


def test_the_chain_is_where_it_was_after_a_stop(tmp_path: Path) -> None:
    with kench_node(tmp_path) as node:
        tip = node.rpc.call("generatetoaddress", 10, ADDRESS)[-1]
        assert node.stop() == 0
    with kench_node(tmp_path) as node:
        assert node.rpc.call("getbestblockhash") == tip
        assert node.rpc.call("getblockcount") == 10


def test_kill_9_at_any_moment_loses_no_block_that_was_answered(tmp_path: Path) -> None:
    tip, count = "", 0
    for _ in range(5):
        with kench_node(tmp_path) as node:
            assert node.rpc.call("getblockcount") >= count
            if tip:
                assert node.rpc.call("getblockheader", tip)["confirmations"] >= 1
            tip, count = _mine_until_killed(node)
    with kench_node(tmp_path) as node:
        assert node.rpc.call("getblockheader", tip)["confirmations"] >= 1


def _mine_until_killed(node: Node) -> tuple[str, int]:
    """Mine while another thread kills the node; returns the last tip that was answered."""
    mined = threading.Event()
    killer = threading.Thread(target=lambda: mined.wait(LIMIT_S) and os.kill(pid, signal.SIGKILL))
    pid = node.process.pid
    tip, count = "", 0
    killer.start()
    try:
        for i in range(100_000):
            tip = node.rpc.call("generatetoaddress", 1, ADDRESS)[0]
            count = node.rpc.call("getblockcount")
            if i == 20:
                mined.set()
    except (OSError, ValueError, RpcFaultError):
        pass
    killer.join()
    node.kill()
    assert tip
    return tip, count


def test_branches_and_invalid_blocks_outlive_a_kill(tmp_path: Path) -> None:
    with kench_node(tmp_path, "--block-difficulty", "0") as node:
        hashes = node.rpc.call("generatetoaddress", 3, ADDRESS)
        parent = node.rpc.call("getblockheader", hashes[0])
        side = build_block(on_parent(node.rpc.template(), parent), extranonce=1)
        assert node.rpc.call("submitblock", side) == "inconclusive"
        node.rpc.call("invalidateblock", hashes[2])
        node.kill()
    with kench_node(tmp_path, "--block-difficulty", "0") as node:
        assert node.rpc.call("getbestblockhash") == hashes[1]
        assert node.rpc.call("getblockheader", hashes[2])["confirmations"] == -1
        assert node.rpc.call("submitblock", side) == "duplicate"
        node.rpc.call("invalidateblock", hashes[1])
        assert node.rpc.call("getbestblockhash") == hash_of(side)
        node.rpc.call("reconsiderblock", hashes[2])
        assert node.rpc.call("getbestblockhash") == hashes[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_within_3_s_though_long_polls_wait(
    tmp_path: Path, number: signal.Signals
) -> None:
    with kench_node(tmp_path) as node, ThreadPoolExecutor(1) as pool:
        longpollid = node.rpc.template()["longpollid"]
        asked = threading.Event()

        def wait() -> object:
            with closing(node.rpc.another()) as rpc:
                rpc.call("getblockcount")
                asked.set()
                return rpc.template(longpollid=longpollid)

        waiting = pool.submit(wait)
        assert asked.wait(LIMIT_S)
        started = time.monotonic()
        assert node.stop(number) == 0
        assert time.monotonic() - started < STOP_S
        with pytest.raises((RpcFaultError, OSError)):
            waiting.result(LIMIT_S)
        assert not node.cookie_file.exists()


def test_the_rpc_stop_ends_it(tmp_path: Path) -> None:
    with kench_node(tmp_path) as node:
        assert "stopping" in node.rpc.call("stop")
        assert node.process.wait(LIMIT_S) == 0
        node.stop()


def test_b19_the_cookie_is_for_the_owner_alone_and_new_at_each_start(tmp_path: Path) -> None:
    with kench_node(tmp_path) as node:
        assert stat.S_IMODE(node.cookie_file.stat().st_mode) == 0o600
        first = node.cookie_file.read_text()
        assert first.startswith("__cookie__:")
    with kench_node(tmp_path) as node:
        assert node.cookie_file.read_text() != first


def test_user_and_password_of_the_environment_take_the_cookies_place(tmp_path: Path) -> None:
    names = {"KENCH_NODE_RPC_USER": "pool", "KENCH_NODE_RPC_PASSWORD": "a word"}
    with kench_node(tmp_path, **names) as node:
        assert node.rpc.call("getblockcount") == 0
        assert not node.cookie_file.exists()
        with closing(Rpc(node.rpc.port, "pool:another")) as rpc:
            assert rpc.post({"method": "uptime"})[0] == 401


def test_a_block_difficulty_makes_the_target_harder_than_the_bits(tmp_path: Path) -> None:
    with kench_node(tmp_path, "--block-difficulty", "0.5") as node:
        template = node.rpc.template()
        assert template["target"] == f"{2 * (0xFFFF << 208):064x}"
        assert template["bits"] == "207fffff"
        # The kernel goes by the bits, as consensus does.
        assert node.rpc.call("submitblock", build_block(template)) is None


def test_a_block_difficulty_below_the_networks_changes_nothing(tmp_path: Path) -> None:
    with kench_node(tmp_path, "--block-difficulty", "1e-12") as node:
        assert node.rpc.template()["target"] == "7fffff" + "0" * 58


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = _run("--data", str(tmp_path), "--rpc-port", port, "--zmq-port", "0")
        _assert_one_line(done, port, "--rpc-port")
        done = _run("--data", str(tmp_path), "--rpc-port", "0", "--zmq-port", port)
        _assert_one_line(done, port, "--zmq-port")


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    folder = str(tmp_path / "file" / "data")
    _assert_one_line(_run("--data", folder, "--rpc-port", "0", "--zmq-port", "0"), folder, "--data")


def test_a_second_node_on_the_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    with kench_node(tmp_path) as node:
        done = _run("--data", str(tmp_path), "--rpc-port", "0", "--zmq-port", "0")
        _assert_one_line(done, "another `kench node`", "--data")
        # The first is unharmed, and its cookie still opens it.
        assert node.cookie_file.read_text() == node.rpc.credentials
        assert len(node.rpc.call("generatetoaddress", 2, ADDRESS)) == 2


def test_help_shows_an_example() -> None:
    done = _run("--help")
    assert done.returncode == 0
    assert "example:\n  kench node --data" in done.stdout


def test_a_stop_does_not_wait_for_a_chain_that_is_built_anew(tmp_path: Path) -> None:
    with kench_node(tmp_path) as node, ThreadPoolExecutor(1) as pool:
        tip = node.rpc.call("generatetoaddress", 1000, ADDRESS)[-1]
        asked = threading.Event()

        def invalidate() -> object:
            with closing(node.rpc.another()) as rpc:
                rpc.call("getblockcount")
                asked.set()
                return rpc.call("invalidateblock", tip)

        building = pool.submit(invalidate)
        assert asked.wait(LIMIT_S)
        started = time.monotonic()
        assert node.stop() == 0
        assert time.monotonic() - started < STOP_S
        # It was done before the stop, or given up for it.
        with suppress(RpcFaultError, OSError, http.client.HTTPException):
            building.result(LIMIT_S)
    with kench_node(tmp_path) as node:
        assert node.rpc.call("getblockcount") in (999, 1000)


def test_a_disk_that_takes_no_more_stops_the_node_and_loses_no_answered_block(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with kench_node(tmp_path) as node:
        tip = node.rpc.call("generatetoaddress", 5, ADDRESS)[-1]
        # No file may grow over 1000 bytes: the kernel writes fail from here on, as on a full disk.
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (1000, 1000))
        with pytest.raises((RpcFaultError, OSError)):
            node.rpc.call("generatetoaddress", 1, ADDRESS)
        assert node.process.wait(LIMIT_S) == 1
        node.stop()
    said = capfd.readouterr().err
    assert said.startswith("kench node: the chain in ")
    assert said.count("\n") == 1
    with kench_node(tmp_path) as node:
        assert node.rpc.call("getblockheader", tip)["confirmations"] == 1

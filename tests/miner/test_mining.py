"""The whole miner against a small pool on a real socket: logs in, mines, comes back, ends."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from kench.miner.address import PoolAddress
from kench.miner.mining import LOGIN_REFUSALS_MAX, LoginRefusedForGoodError, Mining
from kench.pool.clock import SystemClock

WAIT_S = 20.0


class SmallPool:
    """Serves one connection after the other; each test says what it answers."""

    def __init__(self, *, takes_login: bool = True) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.passwords: list[str] = []
        self.submits = 0
        self.connections = 0
        self.enough = threading.Event()
        self._takes_login = takes_login
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; the thread ends with its connection."""
        self.listener.close()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with line, line.makefile("rwb") as stream:
                for request in stream:
                    try:
                        stream.write(self._answer(json.loads(request)))
                        stream.flush()
                    except OSError:
                        break
                    if self.submits and self.submits % 20 == 0 and not self.enough.is_set():
                        if self.connections > 1:
                            self.enough.set()
                        break

    def _answer(self, request: dict[str, Any]) -> bytes:
        number, method, params = request["id"], request["method"], request["params"]
        if method == "mining.subscribe":
            return _lines({"id": number, "result": [[], "0a0b0c0d", 8], "error": None})
        if method == "mining.authorize":
            self.passwords.append(params[1])
            if not self._takes_login:
                refusal = [24, "Unauthorized worker", None]
                return _lines({"id": number, "result": None, "error": refusal})
            notify = ["a", "00" * 32, "01", "02", [], "20000000", "207fffff", "66aabbcc", True]
            return _lines(
                {"id": number, "result": True, "error": None},
                {"id": None, "method": "mining.set_difficulty", "params": [1e-7]},
                {"id": None, "method": "mining.notify", "params": notify},
            )
        self.submits += 1
        return _lines({"id": number, "result": True, "error": None})


def _lines(*messages: object) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


@pytest.fixture
def pool() -> Iterator[SmallPool]:
    small = SmallPool()
    yield small
    small.close()


def test_the_command_mines_comes_back_after_a_lost_line_and_ends_at_sigterm(
    pool: SmallPool,
) -> None:
    miner = subprocess.Popen(
        [sys.executable, "-m", "kench", "mine", f"127.0.0.1:{pool.port}", "1.rig", "-"],
        env={**os.environ, "KENCH_MINE_PASSWORD": "secret"},
        stderr=subprocess.PIPE,
    )
    try:
        assert pool.enough.wait(WAIT_S)
        miner.terminate()
        _, said = miner.communicate(timeout=WAIT_S)
    finally:
        miner.kill()
        miner.wait()
    assert miner.returncode == 0
    assert pool.connections >= 2
    assert set(pool.passwords) == {"secret"}
    assert b"secret" not in said


def test_a_pool_that_keeps_refusing_the_login_ends_it_with_what_to_do() -> None:
    pool = SmallPool(takes_login=False)
    pauses: list[float] = []
    mining = Mining(PoolAddress("127.0.0.1", pool.port), "9.rig", "no", 1, SystemClock())
    with pytest.raises(LoginRefusedForGoodError, match="kench participant add"):
        mining.run(pauses.append)
    pool.close()
    assert pool.connections == LOGIN_REFUSALS_MAX
    assert pauses == sorted(pauses)
    assert pauses[-1] <= 30


def test_an_unreadable_url_is_one_line_and_status_1() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kench", "mine", "nowhere", "1.rig", "x"],
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_S,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "host:port" in done.stderr

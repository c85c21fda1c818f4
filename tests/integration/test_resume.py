"""Sessions resumed by other processes: a killed front's miners go on where they were (A2.7)."""

import contextlib
import json
import os
import signal
import socket
import ssl
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kench.pool.journal import JournalReader
from kench.pool.register import add_participant
from kench.stratum.extranonce import front_of
from tests.integration.test_durability import journalled
from tests.support.certificates import HOST
from tests.support.pool import EASY_SHARES, Pool, running_pool

WAIT_S = 30.0
TWO = {**EASY_SHARES, "KENCH_STRATUM_PROCESSES": "2"}
CLAIMS_MAX = 5


class Rig:
    """One connection that speaks in turn."""

    def __init__(
        self,
        port: int,
        login: tuple[str, str],
        former: str | None = None,
        *,
        header: bytes = b"",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.way: dict[str, Any] = {"header": header, "tls": tls}
        self._socket = socket.create_connection(("127.0.0.1", port), WAIT_S)
        try:
            self._socket.sendall(header)  # as a proxy in front of the pool sends it
            if tls is not None:
                self._socket = tls.wrap_socket(self._socket, server_hostname=HOST)
        except OSError:
            self._socket.close()
            raise
        self._file = self._socket.makefile("rwb")
        self._asked = 0
        self.job: list[Any] = []
        self._login = login
        try:
            self._begin(login, former)
        except OSError:
            self.close()
            raise

    def _begin(self, login: tuple[str, str], former: str | None) -> None:
        (_, (_, self.session)), extranonce1, _ = self.call(
            "mining.subscribe", "rig/1", *([former] if former else [])
        )["result"]
        self.extranonce1 = bytes.fromhex(extranonce1)
        assert self.call("mining.authorize", *login)["result"] is True
        while not self.job:
            self._hear()

    @property
    def front(self) -> int:
        """The front that gave the value."""
        return front_of(self.extranonce1)

    def call(self, method: str, *params: object) -> dict[str, Any]:
        self._asked += 1
        request = {"id": self._asked, "method": method, "params": params}
        self._file.write(json.dumps(request).encode() + b"\n")
        self._file.flush()
        while (answer := self._hear())["id"] != self._asked:
            pass
        return answer

    def _hear(self) -> dict[str, Any]:
        line = self._file.readline()
        if not line:
            raise ConnectionError("closed")
        message: dict[str, Any] = json.loads(line)
        if message.get("method") == "mining.notify":
            self.job = message["params"]
        return message

    def share(self, number: int) -> list[str]:
        return [self._login[0], self.job[0], f"{number:016x}", self.job[7], f"{number:08x}"]

    def submit(self, share: list[str]) -> object:
        answer = self.call("mining.submit", *share)
        return answer["result"] or answer["error"][0]

    def is_closed(self) -> bool:
        """Whether the server has ended the connection."""
        try:
            while self._file.readline():
                pass
        except OSError:
            pass
        return True

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what was to be sent is of no account
            self._file.close()
        self._socket.close()


def come_back(port: int, login: tuple[str, str], rig: Rig) -> Rig:
    """Reconnect as miners do: a front that is just dying may take the connection along."""
    deadline = time.monotonic() + WAIT_S
    rig.close()
    while True:
        try:
            return Rig(port, login, rig.session, **rig.way)
        except (ConnectionError, ssl.SSLError):
            assert time.monotonic() < deadline


def resume(port: int, login: tuple[str, str], rig: Rig) -> Rig:
    """Come back to the same value.

    A claim of another front's value is waited for a second; where that is not enough on a busy
    machine, the miner has a new value and may claim the old one again.
    """
    held, former = rig.extranonce1, rig
    for _ in range(CLAIMS_MAX):
        rig = come_back(port, login, former)
        if rig.extranonce1 == held:
            return rig
        rig.close()
    raise AssertionError("the value was never given back")


def serving(pool: Pool) -> dict[int, int]:
    """Wait for two fronts that serve; return their process ids."""
    deadline = time.monotonic() + WAIT_S
    while True:
        fronts = pool.state()["fronts"]
        if sum(bool(one["serving"]) for one in fronts.values()) == 2:
            return {int(number): int(one["pid"]) for number, one in fronts.items()}
        assert time.monotonic() < deadline, fronts
        time.sleep(0.02)


@pytest.fixture
def login(engine: sa.Engine) -> tuple[str, str]:
    with engine.begin() as connection:
        participant, token = add_participant(connection, "load")
    return f"{participant}.rig", token


def assert_no_share_is_kept_twice(folder: Path) -> None:
    kept: Counter[Any] = Counter()
    for path in (folder / "journal").iterdir():
        kept.update(journalled(JournalReader(path)))
    assert max(kept.values()) == 1


@pytest.mark.rule("A2.7")
def test_a_killed_fronts_miner_resumes_on_another_and_no_share_counts_twice(
    tmp_path: Path, database: str, login: tuple[str, str]
) -> None:
    with running_pool(tmp_path, database, **TWO) as pool:
        pool.start("stratum")
        pids = serving(pool)
        rig = Rig(pool.stratum_port, login)
        held, front = rig.extranonce1, rig.front
        shares = [rig.share(number) for number in range(1, 6)]
        assert [rig.submit(share) for share in shares[:3]] == [True] * 3
        os.kill(pids[front], signal.SIGKILL)
        again = resume(pool.stratum_port, login, rig)
        assert [again.submit(share) for share in shares] == [22, 22, 22, True, True]
        # The successor of the killed front gives that value to nobody else.
        serving(pool)
        others = [Rig(pool.stratum_port, login) for _ in range(12)]
        assert {other.front for other in others} == {0, 1}
        assert held not in {other.extranonce1 for other in others}
        # And its miner may wander on, once.
        again.close()
        wanderers = [Rig(pool.stratum_port, login, again.session) for _ in range(4)]
        assert [one.extranonce1 == held for one in wanderers].count(True) == 1
        first = next(one for one in wanderers if one.extranonce1 == held)
        assert first.submit(shares[4]) in {21, 22}
        for one in (*others, *wanderers):
            one.close()
        assert pool.end("stratum") == 0
        assert_no_share_is_kept_twice(tmp_path)


@pytest.mark.rule("A2.7")
def test_a_miner_that_reconnects_resumes_wherever_it_lands(
    tmp_path: Path, database: str, login: tuple[str, str]
) -> None:
    with running_pool(tmp_path, database, **TWO) as pool:
        pool.start("stratum")
        serving(pool)
        rig = Rig(pool.stratum_port, login)
        held = rig.extranonce1
        accepted = []
        for number in range(1, 13):  # each time on either front
            share = rig.share(number)
            assert rig.submit(share) is True
            accepted.append(share)
            rig = resume(pool.stratum_port, login, rig)
            assert all(rig.submit(one) == 22 for one in accepted if one[1] == share[1])
        rig.close()
        stranger = Rig(pool.stratum_port, login, "0123456789abcdef")
        assert stranger.extranonce1 != held
        stranger.close()
        assert pool.end("stratum") == 0
        assert_no_share_is_kept_twice(tmp_path)

"""A participant at the real port: another's work, one share twice, more credit, hostile names."""

import contextlib
import itertools
import json
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from kench.commands import status, top
from kench.pool.database import open_engine
from kench.pool.journal import JournalReader
from kench.pool.register import add_participant
from kench.pool.work import EASIEST_DIFFICULTY, target_of
from tests.support.blocks import sha256d
from tests.support.client import StratumClient
from tests.support.half_close import half_close
from tests.support.pool import Pool, running_pool
from tests.support.sessions import Work, mine

WAIT_S = 30.0
SHARE_DIFFICULTY = EASIEST_DIFFICULTY * 256
"""One hash in 256 is a share: what is another's is none of one's own."""
DIFFICULTIES = {
    "KENCH_START_DIFFICULTY": repr(SHARE_DIFFICULTY),
    "KENCH_MIN_DIFFICULTY": repr(SHARE_DIFFICULTY),
}
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m"
LINE = '\n{"role": "stratum", "level": "critical", "event": "forged"}\n'
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor, colours it, or turns a line around."""
MALFORMED, STALE, DUPLICATE, LOW, STRANGE, NOT_SUBSCRIBED = 20, 21, 22, 23, 24, 25
NOT_CREDITED = {MALFORMED, STALE, DUPLICATE, LOW, STRANGE, NOT_SUBSCRIBED}


class Party(NamedTuple):
    """A participant and its token."""

    number: int
    token: str

    def worker(self, name: str) -> str:
        return f"{self.number}.{name}"


class Scene(NamedTuple):
    """A pool that runs, whose share is tried for, and who tries."""

    pool: Pool
    owner: Party
    thief: Party

    def kept(self) -> np.ndarray:
        """All that the journal holds, durable and checked."""
        return JournalReader(self.pool.folder / "journal" / "0").read(0, 100_000)


@pytest.fixture(scope="module")
def scene(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("pool")
    engine = open_engine(module_database, application_name="test")
    with engine.begin() as db:
        owner, thief = (Party(*add_participant(db, name)) for name in ("owner", "thief"))
    engine.dispose()
    with running_pool(folder, module_database, **DIFFICULTIES) as pool:
        pool.start("stratum")
        yield Scene(pool, owner, thief)


class Rig(StratumClient):
    """A miner that keeps each job with the difficulty it came at."""

    _extranonces = itertools.count(1)

    def __init__(
        self,
        scene: Scene,
        party: Party,
        password: str = "",
        *,
        name: str = "rig",
        former: str | None = None,
    ) -> None:
        super().__init__(scene.pool.stratum_port, WAIT_S)
        self.work: Work | None = None
        self.user = party.worker(name)
        asked = ["rig/1"] if former is None else ["rig/1", former]
        subscribed = self.call("mining.subscribe", *asked)["result"]
        (_, (_, self.session)), self.extranonce1, _ = subscribed
        answer = self.call("mining.authorize", self.user, password or party.token)
        while answer["result"] is True and self.work is None:
            self.receive()

    def receive(self) -> dict[str, Any]:
        message = super().receive()
        if message.get("method") == "mining.notify":
            extranonce1 = bytes.fromhex(self.extranonce1)
            self.work = Work(message["params"], extranonce1, self.difficulty)
        return message

    def share(self, *, harder: float | None = None) -> list[str]:
        work = self.work
        assert work is not None
        extranonce2 = next(self._extranonces).to_bytes(8, "big")
        nonce = mine(work.head(extranonce2), SHARE_DIFFICULTY, harder)
        return [self.user, work.job_id, extranonce2.hex(), work.params[7], f"{nonce:08x}"]

    def is_share(self, params: list[str]) -> bool:
        """Whether it would be one of this very connection."""
        assert self.work is not None
        head = self.work.head(bytes.fromhex(params[2]), int(params[3], 16))
        value = int.from_bytes(sha256d(head + bytes.fromhex(params[4])[::-1]), "little")
        return value <= target_of(SHARE_DIFFICULTY)

    def submit(self, *params: object) -> object:
        """True, or the number of the refusal."""
        answer = self.call("mining.submit", *params)
        return answer["result"] or answer["error"][0]


def test_work_is_its_sessions_alone_whoever_claims_it(scene: Scene) -> None:
    before = len(scene.kept())
    with Rig(scene, scene.owner) as owner, Rig(scene, scene.thief) as thief:
        share = owner.share()
        while thief.is_share(share):
            share = owner.share()
        # In the owner's name, and as one's own, on another's connection.
        assert thief.submit(*share) == STRANGE
        assert thief.submit(thief.user, *share[1:]) == LOW
        # The owner's name without its token, and one's own work in it.
        assert thief.call("mining.authorize", owner.user, scene.thief.token)["result"] is not True
        assert thief.submit(owner.user, *thief.share()[1:]) == STRANGE
        # The owner's session, while it is there.
        with Rig(scene, scene.thief, former=owner.session) as other:
            assert other.extranonce1 != owner.extranonce1
        assert owner.submit(*share) is True
    (record,) = scene.kept()[before:]
    assert record["participant"] == scene.owner.number
    # And when it has gone: what it handed in is nobody's again.
    with Rig(scene, scene.thief, former=owner.session) as other:
        assert other.submit(other.user, *share[1:]) in NOT_CREDITED
    assert len(scene.kept()) == before + 1


def test_a_share_is_one_share_however_it_is_written(scene: Scene) -> None:
    before = len(scene.kept())
    with Rig(scene, scene.owner) as rig:
        user, job, extranonce2, ntime, nonce = share = rig.share()
        while extranonce2 == extranonce2.upper() or nonce == nonce.upper():
            Rig._extranonces = itertools.count(0xABCDEF0000 + next(Rig._extranonces))
            user, job, extranonce2, ntime, nonce = share = rig.share()
        assert rig.submit(*share) is True
        spellings: list[list[object]] = [
            share,
            [*share, "00000000"], [*share, "0"], [*share, ""], [*share, None],
            [user, job, extranonce2.upper(), ntime, nonce.upper()],
            [user, job, extranonce2, ntime.upper(), "0x" + nonce],
            [user, job, extranonce2, ntime, "0" + nonce],
            [user, job, extranonce2, ntime, nonce + " "],
            [user, job, extranonce2 + "00", ntime, nonce],
            [user, job, extranonce2[2:], ntime, nonce],
            [user, job, extranonce2, int(ntime, 16), int(nonce, 16)],
            [user, " " + job, extranonce2, ntime, nonce], [user, job.upper() + "0", *share[2:]],
            [*share, "00000000", "00000000"],
        ]  # fmt: skip
        assert {rig.submit(*one) for one in spellings} <= NOT_CREDITED
        session = rig.session
    with Rig(scene, scene.owner, former=session, name="second") as again:
        assert again.submit(again.user, *share[1:]) == DUPLICATE
    assert len(scene.kept()) == before + 1


def test_no_wish_makes_a_hash_worth_more_than_it_was_asked_for(scene: Scene) -> None:
    before = len(scene.kept())
    wishes = ("d=1e9", "md=1e300", "d=nan", "d=-5", "d=1e400", "d=0", "d=1e-300")
    for wish in wishes:
        with Rig(scene, scene.thief, f"{scene.thief.token},{wish}") as rig:
            easy = rig.share(harder=SHARE_DIFFICULTY * 4)
            assert (rig.submit(*easy) is True) == (rig.difficulty <= SHARE_DIFFICULTY)
    with Rig(scene, scene.thief) as rig:
        easy = [rig.share(harder=SHARE_DIFFICULTY * 4) for _ in range(6)]
        for wish in (1e9, 2**63, -1, "1e9", 1e-30):
            rig.call("mining.suggest_difficulty", wish)
            assert rig.submit(*easy.pop()) in {True, *NOT_CREDITED}
        asked = {"minimum-difficulty.value": 2**60}
        rig.call("mining.configure", ["minimum-difficulty"], asked)
        assert rig.submit(*easy.pop()) in {True, *NOT_CREDITED}
    records = scene.kept()[before:]
    assert len(records) > 5
    # None of those hashes met four times what was asked for, and none was credited as if it had.
    assert set(records["difficulty"]) == {SHARE_DIFFICULTY}


HOSTILE = (
    ESCAPES, LINE, 'x","level":"critical","a":"', "\u202ednammoc", "\x00", "a\r\nb", "\ud800",
    "[bold red]x[/]", "%s%n{0}", "A" * 5000,
)  # fmt: skip


@contextlib.contextmanager
def raw(scene: Scene, *lines: bytes) -> Iterator[bytes]:
    """Say lines on a connection of its own; what is answered until the pool has had enough."""
    with socket.create_connection(("127.0.0.1", scene.pool.stratum_port), WAIT_S) as opened:
        heard = b""
        with contextlib.suppress(ConnectionError):  # it may leave before it has read all
            opened.sendall(b"".join(line + b"\n" for line in lines))
            half_close(opened)
            while piece := opened.recv(65_536):
                heard += piece
        yield heard


def said(method: str, *params: object) -> bytes:
    return json.dumps({"id": 1, "method": method, "params": params}).encode()


def test_no_name_reaches_a_log_or_a_terminal_as_more_than_text(
    scene: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = scene.owner
    for words in HOSTILE:
        hello = [
            said("mining.subscribe", words),
            said("mining.authorize", f"{owner.number}.{words}", owner.token),
        ]
        with raw(scene, *hello, said("mining.submit", words, words, words, words, words)) as heard:
            assert all(json.loads(line) for line in heard.splitlines())
        for line in (
            said(words),
            said("mining.authorize", words, words),
            words.encode("utf-8", "replace"),
        ):
            with raw(scene, line) as heard:
                assert not CONTROLS.search(heard.decode()), heard
        path = words.encode("utf-8", "replace").replace(b" ", b"")
        with socket.create_connection(("127.0.0.1", scene.pool.metrics_port), WAIT_S) as opened:
            opened.sendall(
                b"GET /" + path + b" HTTP/1.1\r\nHost: x\r\nUser-Agent: " + path + b"\r\n\r\n"
            )
            opened.recv(65_536)
    with Rig(scene, owner, name="[red]\u043a\u044b\u0440\u0433\u044b\u0437 \"';--") as rig:
        assert rig.submit(*rig.share()) is True
    log = (Path(scene.pool.folder) / "stratum.log").read_text()
    told = [json.loads(line) for line in log.splitlines()]
    assert {one["role"] for one in told} == {"stratum"}
    assert not [one for one in told if one["level"] == "critical"]
    assert not CONTROLS.search(log)
    for name, value in scene.pool.environment.items():
        if name.startswith("KENCH_"):
            monkeypatch.setenv(name, value)
    for root, words in ((top, ["--once"]), (status, []), (status, ["--json"])):
        monkeypatch.setattr(sys, "argv", ["kench", *words])
        root.main()
        out, _ = capsys.readouterr()
        assert out
        assert not CONTROLS.search(out), out

"""`kench reload`: the same process id, new fronts on the same port, miners that mine on."""

import contextlib
import itertools
import json
import os
import ssl
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from benchmarks.load.ports import free_ports
from kench.pool.journal import JournalReader
from kench.pool.register import add_participant
from kench.stratum.extranonce import front_of
from tests.integration.test_durability import journalled
from tests.integration.test_processes import events
from tests.integration.test_resume import Rig, assert_no_share_is_kept_twice, come_back
from tests.support.certificates import authority
from tests.support.nodes import kench_command
from tests.support.pool import EASY_SHARES, Pool, running_pool

if TYPE_CHECKING:
    from tests.support.load import ShareKey

ROOT = Path(__file__).parents[2]
LIMIT_S = 90.0
AWAY = "fronts of another version hear no news: they mine on their last job and drain"
QUICK = {**EASY_SHARES, "KENCH_DRAIN_S": "1"}


@pytest.fixture
def login(engine: sa.Engine) -> tuple[str, str]:
    with engine.begin() as connection:
        participant, token = add_participant(connection, "load")
    return f"{participant}.rig", token


class Farm:
    """Rigs that mine in turn, and come back when they are closed."""

    def __init__(self, login: tuple[str, str]) -> None:
        self._login = login
        self._rigs: dict[int, tuple[int, Rig]] = {}
        self._numbers = itertools.count(1)
        self.accepted: set[ShareKey] = set()
        self.moved: set[int] = set()
        """Rigs that came back."""

    def add(self, port: int, **way: Any) -> None:
        self._rigs[len(self._rigs)] = port, Rig(port, self._login, **way)

    @property
    def rigs(self) -> list[Rig]:
        return [rig for _, rig in self._rigs.values()]

    def mine(self) -> None:
        """Have each submit a share that nobody did before."""
        for index, (port, rig) in self._rigs.items():
            number = next(self._numbers)
            share = rig.share(number)
            try:
                answer = rig.submit(share)
            except (ConnectionError, ssl.SSLError):
                self._rigs[index] = port, come_back(port, self._login, rig)
                self.moved.add(index)
                continue
            assert answer in {True, 21}
            if answer is True:
                _, job, extranonce2, ntime, nonce = share
                self.accepted.add((
                    int(job, 16), rig.extranonce1, bytes.fromhex(extranonce2),
                    int(ntime, 16), int(nonce, 16),
                ))  # fmt: skip

    def close(self) -> None:
        for rig in self.rigs:
            rig.close()


def reload_beside(pool: Pool, farm: Farm) -> list[str]:
    """Reload while the farm mines, until all have moved; what the command said."""
    farm.moved.clear()
    command = subprocess.Popen(
        kench_command("reload"),
        env=pool.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + LIMIT_S
    with command:
        try:
            while command.poll() is None or len(farm.moved) < len(farm.rigs):
                farm.mine()
                assert time.monotonic() < deadline
        finally:
            command.kill()
        said, _ = command.communicate()
    assert command.returncode == 0, said
    return said.splitlines()


def assert_all_are_kept_once(folder: Path, farm: Farm) -> None:
    kept: Counter[ShareKey] = Counter()
    for path in (folder / "journal").iterdir():
        kept.update(journalled(JournalReader(path)))
    assert farm.accepted <= kept.keys()
    assert max(kept.values()) == 1


def reload(pool: Pool) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        kench_command("reload"),
        env=pool.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


def front_numbers(pool: Pool) -> set[int]:
    deadline = time.monotonic() + LIMIT_S
    while True:
        fronts = pool.state()["fronts"]
        if fronts and all(one["serving"] for one in fronts.values()):
            return set(map(int, fronts))
        assert time.monotonic() < deadline, fronts
        time.sleep(0.05)


def test_a_reload_keeps_miners_their_extranonces_and_every_share(
    tmp_path: Path, database: str, login: tuple[str, str]
) -> None:
    two = {**QUICK, "KENCH_STRATUM_PROCESSES": "2"}
    with running_pool(tmp_path, database, **two) as pool:
        maker = pool.start("stratum")
        numbers = front_numbers(pool)
        assert numbers == {0, 1}
        rigs = [Rig(pool.stratum_port, login) for _ in range(6)]
        for expected in ({2, 3}, {0, 1}):
            shares = [rig.share(number) for number, rig in enumerate(rigs, 1)]
            assert all(rig.submit(share) is True for rig, share in zip(rigs, shares, strict=True))
            done = reload(pool)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.splitlines()[-1] == "reloaded"
            assert maker.poll() is None
            assert front_numbers(pool) == expected
            assert all(rig.is_closed() for rig in rigs)
            again = [come_back(pool.stratum_port, login, rig) for rig in rigs]
            assert [one.extranonce1 for one in again] == [rig.extranonce1 for rig in rigs]
            assert {one.submit(share) for one, share in zip(again, shares, strict=True)} <= {21, 22}
            rigs = again
        # Values that live elsewhere are given to nobody else.
        more = [Rig(pool.stratum_port, login) for _ in range(20)]
        values = [one.extranonce1 for one in (*rigs, *more)]
        assert len(set(values)) == len(values)
        assert {front_of(one.extranonce1) for one in more} <= {0, 1}
        for one in (*rigs, *more):
            one.close()
        assert pool.end("stratum") == 0
        assert_no_share_is_kept_twice(tmp_path)


def test_miners_behind_tls_and_proxies_are_moved_without_loss(
    tmp_path: Path, database: str, login: tuple[str, str]
) -> None:
    issuer = authority(tmp_path)
    certificate, key = issuer.issue()
    ports = dict(zip(("secure", "proxied", "both"), free_ports(3), strict=True))
    kinds = {
        "secure": {"tls": True},
        "proxied": {"proxy_from": "127.0.0.1"},
        "both": {"tls": True, "proxy_from": "127.0.0.1"},
    }
    doors = [{"name": name, "port": port, **kinds[name]} for name, port in ports.items()]
    settings = {
        **QUICK,
        "KENCH_STRATUM_PROCESSES": "2",
        "KENCH_DOORS": json.dumps(doors),
        "KENCH_TLS_CERTIFICATE": str(certificate),
        "KENCH_TLS_KEY": str(key),
    }
    farm, tls = Farm(login), issuer.client()
    with running_pool(tmp_path, database, **settings) as pool, contextlib.closing(farm):
        pool.start("stratum")
        front_numbers(pool)
        for last in range(1, 5):
            header = f"PROXY TCP4 198.51.100.{last} 127.0.0.1 40000 3333\r\n".encode()
            farm.add(ports["secure"], tls=tls)
            farm.add(ports["proxied"], header=header)
            farm.add(ports["both"], header=header, tls=tls)
        farm.mine()
        held = [rig.extranonce1 for rig in farm.rigs]
        for expected in ({2, 3}, {0, 1}):
            assert reload_beside(pool, farm)[-1] == "reloaded"
            assert front_numbers(pool) == expected
            assert [rig.extranonce1 for rig in farm.rigs] == held
            farm.mine()
        assert pool.end("stratum") == 0
        assert_all_are_kept_once(tmp_path, farm)


def test_a_version_that_speaks_to_its_fronts_in_another_way_takes_over_too(
    tmp_path: Path, database: str, login: tuple[str, str]
) -> None:
    """The old fronts hear nothing of the new job maker: they mine on their last job and drain."""
    version, farm = tmp_path / "feed_version", Farm(login)
    version.write_text("1001")
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        f"""
import pathlib
from kench.stratum import feed

feed.FEED_VERSION = int(pathlib.Path({str(version)!r}).read_text())
"""
    )
    path = [str(site), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    settings = {
        **QUICK,
        "KENCH_STRATUM_PROCESSES": "2",
        "PYTHONPATH": os.pathsep.join(path),
    }
    with running_pool(tmp_path, database, **settings) as pool, contextlib.closing(farm):
        maker = pool.start("stratum")
        front_numbers(pool)
        for _ in range(8):
            farm.add(pool.stratum_port)
        farm.mine()
        version.write_text("1002")
        assert reload_beside(pool, farm)[-1] == "reloaded"
        assert maker.poll() is None
        assert front_numbers(pool) == {2, 3}
        farm.mine()
        (turned_away,) = events(pool, AWAY)
        assert (turned_away["version"], turned_away["ours"]) == (1001, 1002)
        values = [rig.extranonce1 for rig in farm.rigs]
        assert len(set(values)) == len(values)
        assert reload_beside(pool, farm)[-1] == "reloaded"
        assert front_numbers(pool) == {0, 1}
        assert [rig.extranonce1 for rig in farm.rigs] == values
        assert events(pool, AWAY) == [turned_away]
        assert not events(pool, "feed broken")
        assert pool.end("stratum") == 0
        assert_all_are_kept_once(tmp_path, farm)


def test_bad_settings_are_refused_by_name_and_the_pool_serves_on(
    tmp_path: Path, database: str, login: tuple[str, str]
) -> None:
    with running_pool(tmp_path, database, **QUICK) as pool:
        pool.start("stratum")
        before = pool.state()["fronts"]
        rig = Rig(pool.stratum_port, login)
        config = tmp_path / "kench.toml"
        config.write_text("ban_s = -1\n")
        done = reload_with(pool, config)
        assert done.returncode == 1
        assert "ban_s" in done.stderr.lower()
        assert rig.submit(rig.share(1)) is True
        assert {one["pid"] for one in pool.state()["fronts"].values()} == {
            one["pid"] for one in before.values()
        }
        rig.close()
        assert pool.end("stratum") == 0


def reload_with(pool: Pool, config: Path) -> subprocess.CompletedProcess[str]:
    """Reload where the file that the pool reads is wrong, and the command reads another."""
    other = config.with_name("other.toml")
    other.write_text("")
    environment = {**pool.environment, "KENCH_CONFIG": str(other)}
    return subprocess.run(
        kench_command("reload"),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


def test_new_fronts_that_cannot_start_leave_the_old_ones_serving(
    tmp_path: Path, database: str, login: tuple[str, str]
) -> None:
    one = {**QUICK, "KENCH_STRATUM_PROCESSES": "1"}
    with running_pool(tmp_path, database, **one) as pool:
        maker = pool.start("stratum")
        rig = Rig(pool.stratum_port, login)
        pids = pool.front_pids()
        journal = Path(pool.environment["KENCH_DATA"]) / "journal" / "1"
        journal.write_text("where a folder should be")
        done = reload(pool)
        assert done.returncode == 1
        assert "no new front starts" in done.stderr
        assert pool.front_pids() == pids
        assert rig.submit(rig.share(1)) is True
        journal.unlink()
        assert reload(pool).returncode == 0
        assert front_numbers(pool) == {1}
        assert maker.poll() is None
        rig.close()
        assert pool.end("stratum") == 0


def test_there_must_be_something_to_reload(tmp_path: Path) -> None:
    done = subprocess.run(
        [*kench_command("reload"), "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert done.returncode == 1
    assert "no `kench stratum` works in" in done.stderr

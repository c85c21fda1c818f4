"""`kench reload`: the same process id, new fronts on the same port, miners that mine on."""

import subprocess
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.pool.register import add_participant
from kench.stratum.extranonce import front_of
from tests.integration.test_resume import Rig, assert_no_share_is_kept_twice, come_back
from tests.support.nodes import kench_command
from tests.support.pool import EASY_SHARES, Pool, running_pool

LIMIT_S = 90.0
QUICK = {**EASY_SHARES, "KENCH_DRAIN_S": "1"}


@pytest.fixture
def login(engine: sa.Engine) -> tuple[str, str]:
    with engine.begin() as connection:
        participant, token = add_participant(connection, "load")
    return f"{participant}.rig", token


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

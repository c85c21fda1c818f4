"""Only registered workers of active participants mine, and every change is felt in 2 s (D2)."""

import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.pool.register import add_participant, resume_participant, suspend_participant
from tests.support.client import StratumClient
from tests.support.pool import EASY_SHARES, running_pool

FELT_WITHIN_S = 2.0


def logs_in_within(port: int, user: str, token: str, limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        with StratumClient(port) as client:
            if client.login(user, token):
                return True
    return False


def test_the_register_decides_who_mines(tmp_path: Path, database: str, engine: sa.Engine) -> None:
    with running_pool(tmp_path, database, **EASY_SHARES) as pool:
        pool.start("stratum")
        port = pool.stratum_port
        with engine.begin() as connection:
            first, first_token = add_participant(connection, "first")
            second, second_token = add_participant(connection, "second")
        assert logs_in_within(port, f"{first}.a", first_token, FELT_WITHIN_S)

        with StratumClient(port, FELT_WITHIN_S) as mine, StratumClient(port) as others:
            assert mine.login(f"{first}.a", first_token)
            assert others.login(f"{second}.a", second_token)
            with engine.begin() as connection:
                suspend_participant(connection, first)
            mine.wait_until_closed()
            assert others.call("mining.ping")["result"] == "pong"

        with StratumClient(port) as client:
            assert not client.login(f"{first}.a", first_token)
            assert not client.login(f"{second}.a", first_token)
            assert not client.login(f"{second + 1}.a", second_token)
            assert not client.login("nobody", second_token)
        with engine.begin() as connection:
            resume_participant(connection, first)
        assert logs_in_within(port, f"{first}.a", first_token, FELT_WITHIN_S)

        with engine.connect() as connection:
            names = connection.execute(sa.text("SELECT name FROM workers ORDER BY id")).scalars()
            assert names.all() == ["a", "a"]


def test_a_proxy_keeps_its_other_participants_when_one_is_suspended(
    tmp_path: Path, database: str, engine: sa.Engine
) -> None:
    with running_pool(tmp_path, database, **EASY_SHARES) as pool:
        pool.start("stratum")
        with engine.begin() as connection:
            first, first_token = add_participant(connection, "first")
            second, second_token = add_participant(connection, "second")
        assert logs_in_within(pool.stratum_port, f"{first}.a", first_token, FELT_WITHIN_S)
        with StratumClient(pool.stratum_port) as proxy:
            assert proxy.login(f"{first}.a", first_token)
            assert proxy.call("mining.authorize", f"{second}.b", second_token)["result"]
            job, *_, ntime, _clean = proxy.wait_for_job()
            with engine.begin() as connection:
                suspend_participant(connection, first)
            deadline = time.monotonic() + FELT_WITHIN_S
            nonce = 0
            while True:
                nonce += 1
                share = (f"{first}.a", job, f"{nonce:016x}", ntime, f"{nonce:08x}")
                answer = proxy.call("mining.submit", *share)
                if answer["error"]:
                    break
                assert time.monotonic() < deadline
            assert answer["error"][0] == 24
            assert proxy.call("mining.submit", f"{second}.b", *share[1:])["result"] is True


@pytest.mark.parametrize("password", ["", "x", "d=1"])
def test_no_login_without_the_token(
    tmp_path: Path, database: str, engine: sa.Engine, password: str
) -> None:
    with engine.begin() as connection:
        participant, _ = add_participant(connection, "one")
    with running_pool(tmp_path, database, **EASY_SHARES) as pool:
        pool.start("stratum")
        with StratumClient(pool.stratum_port) as client:
            client.call("mining.subscribe")
            answer = client.call("mining.authorize", f"{participant}.a", password)
            assert answer["result"] is False
            assert answer["error"][0] == 24
            client.wait_until_closed()

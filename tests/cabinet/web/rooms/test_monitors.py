"""Monitors of another pool find what they look for, in its words and units."""

from collections.abc import Iterator
from typing import Any

import pytest

from kench.cabinet.access.grants import Kind, Scope
from kench.cabinet.cabinet import Cabinet
from kench.pool.clock import SystemClock
from tests.support.cabinet import cabinet_of, client_of
from tests.support.grants import Two, granted


@pytest.fixture
def cabinet(module_database: str, two: Two) -> Iterator[Cabinet]:
    del two
    with cabinet_of(module_database, clock=SystemClock()) as made:
        yield made


def read(cabinet: Cabinet, whose: int, path: str, *scopes: Scope) -> Any:
    with cabinet.engine.begin() as db:
        secret = granted(db, whose, Kind.KEY, *scopes, now_us=cabinet.clock.now_us())
    answer = client_of(cabinet).get(path, headers={"SlushPool-Auth-Token": secret})
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize("path", ["/accounts/profile/json/btc/", "/accounts/profile/json/btc"])
def test_a_profile(cabinet: Cabinet, two: Two, path: str) -> None:
    shown = read(cabinet, two.first, path)
    assert shown["username"] == f"participant{two.first}"
    coin = shown["btc"]
    assert coin["hash_rate_unit"] == "Gh/s"
    assert coin["hash_rate_5m"] == coin["hash_rate_60m"] == coin["hash_rate_24h"] == 4000.0
    counts = {name: coin[f"{name}_workers"] for name in ("ok", "low", "off", "dis")}
    assert counts == {"ok": 1, "low": 0, "off": 1, "dis": 1}
    assert coin["today_reward"] == "1.00000001"
    assert coin["unconfirmed_reward"] == "0.00000000"


def test_rewards_are_not_told_to_a_key_for_hashrates(cabinet: Cabinet, two: Two) -> None:
    coin = read(cabinet, two.first, "/accounts/profile/json/btc/", Scope.HASHRATE)["btc"]
    assert coin["today_reward"] is None
    assert coin["confirmed_reward"] is None


def test_workers(cabinet: Cabinet, two: Two) -> None:
    workers = read(cabinet, two.first, "/accounts/workers/json/btc")["btc"]["workers"]
    states = {name.partition(".")[2]: worker["state"] for name, worker in workers.items()}
    assert states == {"rig1": "ok", "rig2": "off", "rig3": "dis"}
    rig = workers[f"participant{two.first}.rig1"]
    assert rig["hash_rate_scoring"] == 2000.0
    assert rig["shares_60m"] == 2 * 10**12 * 3600 // 2**32
    assert rig["last_share"] > 1_700_000_000
    assert workers[f"participant{two.first}.rig3"]["last_share"] == 0


def test_the_pool(cabinet: Cabinet, two: Two) -> None:
    shown = read(cabinet, two.first, "/stats/json/btc/")["btc"]
    assert shown["pool_60m_hash_rate"] == 4000.0
    block = shown["blocks"]["101"]
    assert block["date_found"] > 1_700_000_000
    del block["date_found"]
    assert block == {"state": "new", "value": "3.12500000", "user_reward": "1.00000001"}


def test_anothers_part_of_a_block_is_not_told(cabinet: Cabinet, two: Two) -> None:
    block = read(cabinet, two.second, "/stats/json/btc/")["btc"]["blocks"]["101"]
    assert block["user_reward"] is None

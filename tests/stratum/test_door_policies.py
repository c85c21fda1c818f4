"""What a miner wishes for against what its door allows: the same rules at every door."""

import pytest

from kench.pool.settings_file import read_settings
from kench.pool.work import wire_difficulty
from kench.stratum.agent_defaults import AGENTS, UNKNOWN, defaults_of
from kench.stratum.contract import Limits, NewWorker
from kench.stratum.doors import limits_of
from tests.support.jobs import small_template
from tests.support.sessions import TOKEN, Miner, Pool, error_of, token_id

NETWORK = 10_000_000
DOORS = [
    {
        "name": "high",
        "port": 1,
        "start_difficulty": 1_000_000,
        "min_difficulty": 524_288,
        "shares_per_minute": 20,
    },
    {
        "name": "low",
        "port": 2,
        "start_difficulty": 512,
        "min_difficulty": 1,
        "max_difficulty": 65_536,
    },
]


def limits_at(door: str) -> Limits:
    settings = read_settings(doors=DOORS)
    (plan,) = [one for one in settings.all_doors if one.name == door]
    return limits_of(plan, settings)


def at(door: str) -> Miner:
    """A miner that has just connected there, on a network as hard as NETWORK."""
    target = (0xFFFF << 208) // NETWORK
    pool = Pool(limits_at(door), small_template(block_target=target))
    return pool.miner()


def difficulty_of(
    door: str,
    agent: str = "cgminer/4.11.1",
    *,
    password: str = "",
    suggested: float | None = None,
    minimum: float | None = None,
) -> float:
    """What the first set_difficulty says to a miner with these wishes."""
    miner = at(door)
    if minimum is not None:
        options = {"minimum-difficulty.value": minimum}
        miner.call("mining.configure", ["minimum-difficulty"], options)
    miner.subscribe(agent)
    if suggested is not None:
        miner.call("mining.suggest_difficulty", suggested)
    miner.authorize("1.w1", f"{TOKEN},{password}")
    return miner.difficulty


@pytest.mark.rule("A3.7", "A3.8", "A4.6", "A6.6", "A6.9")
@pytest.mark.parametrize(
    ("wishes", "standard", "high", "low"),
    [
        ({}, 65_536, 1_000_000, 512),
        ({"password": "d=2000"}, 2000, 524_288, 2000),
        ({"password": "d=2000000"}, 2_000_000, 2_000_000, 65_536),
        ({"password": "d=1e12"}, NETWORK, NETWORK, 65_536),
        ({"password": "md=100000"}, 100_000, 1_000_000, 65_536),
        ({"password": "d=2000,md=4000"}, 4000, 524_288, 4000),
        ({"suggested": 1000}, 1000, 524_288, 1000),
        ({"suggested": 0.00015}, 0.00015, 524_288, 1),
        ({"suggested": 1000, "password": "d=2000"}, 2000, 524_288, 2000),
        ({"minimum": 2048}, 65_536, 1_000_000, 2048),
        ({"minimum": 150_000}, 150_000, 1_000_000, 65_536),
        ({"minimum": 1500, "password": "md=800,d=900"}, 1500, 524_288, 1500),
        ({"minimum": 800, "password": "md=1500,d=900"}, 1500, 524_288, 1500),
        ({"minimum": 1e12}, NETWORK, NETWORK, 65_536),
    ],
)
def test_wishes_hold_as_far_as_the_door_and_the_network_allow(
    wishes: dict[str, object], standard: float, high: float, low: float
) -> None:
    for door, expected in (("standard", standard), ("high", high), ("low", low)):
        assert difficulty_of(door, **wishes) == pytest.approx(expected, rel=1e-3), door  # type: ignore[arg-type]


@pytest.mark.rule("A6.9", "A10.1", "A10.2", "A3.8")
@pytest.mark.parametrize(
    ("agent", "password", "standard", "high", "low"),
    [
        ("NiceHash/1.0.0", "", 524_288, 1_000_000, 65_536),
        ("NICEHASH/2", "", 524_288, 1_000_000, 65_536),
        ("NiceHash/1.0.0", "d=1048576", 1_048_576, 1_048_576, 65_536),
        ("NiceHash/1.0.0", "d=1000", 1000, 524_288, 1000),
        ("MRR-Hash/1.0.0", "", 1_000_000, 1_000_000, 65_536),
        ("MiningRigRentals/Test/1.0", "", 1_000_000, 1_000_000, 65_536),
        ("NerdMinerV2/V1.8.3", "", 65_536, 1_000_000, 512),
    ],
)
def test_rented_hash_power_gets_its_floor_where_the_door_s_ceiling_allows_it(
    agent: str, password: str, standard: float, high: float, low: float
) -> None:
    for door, expected in (("standard", standard), ("high", high), ("low", low)):
        assert difficulty_of(door, agent, password=password) == expected, door


def test_a_firmware_s_floor_and_a_password_s_do_not_undo_each_other() -> None:
    miner = at("standard")
    miner.authorize("1.w1", f"{TOKEN},md=4000")
    assert miner.session.difficulty.floor == 4000
    for value, floor in ((9000, 9000), (10, 4000), (0, 4000)):
        options = {"minimum-difficulty.value": value}
        miner.call("mining.configure", ["minimum-difficulty"], options)
        assert miner.session.difficulty.floor == floor


def test_each_door_steers_to_its_own_share_rate() -> None:
    assert limits_at("high").difficulty.shares_per_minute == 20
    assert limits_at("low").difficulty.shares_per_minute == 12


@pytest.mark.rule("A2.7")
def test_who_comes_back_by_another_door_is_bounded_by_that_one() -> None:
    pool = Pool(limits_at("standard"), small_template(block_target=(0xFFFF << 208) // NETWORK))
    first = pool.miner().login("1.w1", f"{TOKEN},d=2000")
    pool.end(first)
    again = pool.miner(limits_at("high"))
    again.subscribe("t/1", first.session.session_id)
    assert again.extranonce1 == first.extranonce1
    again.authorize("1.w1", TOKEN)
    assert again.difficulty == 524_288


@pytest.mark.rule("A6.9")
def test_the_table_of_agents_is_in_lower_case_and_its_entries_can_be_met() -> None:
    for at_, (prefix, defaults) in enumerate(AGENTS):
        assert prefix == prefix.lower()
        assert defaults_of(prefix.upper() + "x") is defaults
        assert not any(prefix.startswith(earlier) for earlier, _ in AGENTS[:at_])
        assert wire_difficulty(defaults.floor).isdigit()


@pytest.mark.parametrize(
    "agent", ["", "cgminer/4", "xNiceHash/1", "nicehash", "Mozilla", "ΝiceHash/"]
)
def test_of_other_agents_nothing_is_known(agent: str) -> None:
    assert defaults_of(agent) is UNKNOWN


@pytest.mark.rule("A10.2")
def test_a_probe_with_an_unknown_worker_gets_work_and_enters_no_worker() -> None:
    pool = Pool()
    probe = pool.miner()
    probe.subscribe("MiningRigRentals/Test/1.0")
    answer, difficulty, notify = probe.authorize("1.never-seen")
    assert answer["result"] is True
    assert (difficulty["method"], notify["method"]) == ("mining.set_difficulty", "mining.notify")
    assert probe.session.wants is None
    fields = ["1.never-seen", notify["params"][0], "00" * 8, notify["params"][7], "00000000"]
    assert error_of(probe.submit(fields)) == 24
    assert probe.session.forget_tokens({token_id(1)}) is True


def test_a_rig_with_an_unknown_worker_has_it_entered() -> None:
    pool = Pool()
    rig = pool.miner()
    rig.subscribe("MRR-Hash/1.0.0")
    assert rig.authorize("1.never-seen") == []
    assert rig.session.wants == NewWorker(1, "never-seen", token_id(1))

"""A4 and A5: mining.configure, version rolling, and the extranonce subscription."""

import json
from typing import Any

import pytest

from kench.stratum.session import State
from tests.support.jobs import small_template
from tests.support.sessions import Miner, Pool, error_of, methods_of

VERSION_ROLLING = {"version-rolling.mask": "1fffe000", "version-rolling.min-bit-count": 16}
GRANTED = {"version-rolling": True, "version-rolling.mask": "1fffe000"}
SET_MASK = {"id": None, "method": "mining.set_version_mask", "params": ["1fffe000"]}


def configure(miner: Miner, names: object, options: object = None) -> list[dict[str, Any]]:
    params = [names] if options is None else [names, options]
    return miner.say({"id": 1, "method": "mining.configure", "params": params})


@pytest.mark.rule("A4.1")
def test_configure_is_answered_next_whenever_it_comes(miner: Miner) -> None:
    for step in (None, miner.subscribe, miner.authorize):
        if step is not None:
            step()
        for _ in range(2):
            answer, *more = configure(miner, ["version-rolling"], VERSION_ROLLING)
            assert answer == {"id": 1, "result": GRANTED, "error": None}
            assert more == [SET_MASK]


@pytest.mark.rule("A4.2", "A4.5")
@pytest.mark.parametrize(
    ("options", "mask"),
    [
        ({"version-rolling.mask": "ffffffff"}, "1fffe000"),
        ({"version-rolling.mask": "FFFFFFFF"}, "1fffe000"),
        (VERSION_ROLLING, "1fffe000"),
        ({"version-rolling.mask": "1fffe000", "version-rolling.min-bit-count": 2}, "1fffe000"),
        ({"version-rolling.mask": "1fffffe0"}, "1fffe000"),
        ({"version-rolling.mask": "ffff"}, "0000e000"),
        ({"version-rolling.mask": "00c00000"}, "00c00000"),
        ({"version-rolling.min-bit-count": 99}, "1fffe000"),
        ({}, "1fffe000"),
        (None, "1fffe000"),
    ],
)
def test_the_mask_granted_is_the_common_part_in_eight_lower_case_digits(
    miner: Miner, options: dict[str, Any] | None, mask: str
) -> None:
    answer, told = configure(miner, ["version-rolling"], options)
    assert answer["result"] == {"version-rolling": True, "version-rolling.mask": mask}
    assert told["method"] == "mining.set_version_mask"
    assert told["params"] == [mask]
    assert told["id"] is None


@pytest.mark.rule("A4.3")
@pytest.mark.parametrize(
    ("names", "options", "result"),
    [
        (["minimum-difficulty"], {"minimum-difficulty.value": 2048}, {"minimum-difficulty": True}),
        (["minimum-difficulty"], {"minimum-difficulty.value": 0}, {"minimum-difficulty": True}),
        (["minimum-difficulty"], {}, {"minimum-difficulty": False}),
        (["minimum-difficulty"], {"minimum-difficulty.value": -1}, {"minimum-difficulty": False}),
        (["minimum-difficulty"], {"minimum-difficulty.value": []}, {"minimum-difficulty": False}),
        (["minimum-difficulty"], {"minimum-difficulty.value": True}, {"minimum-difficulty": False}),
        (["subscribe-extranonce"], {}, {"subscribe-extranonce": True}),
        (["info"], {"info.hw-version": "1"}, {"info": True}),
        (["never-heard-of"], {}, {"never-heard-of": False}),
        ([f"x{number}" for number in range(99)], {}, {f"x{n}": False for n in range(99)}),
        (["y" * 200], {}, {"y" * 200: False}),
        ([], {}, {}),
        ("version-rolling", {}, {}),
        ([7, None, []], {}, {}),
    ],
)
def test_every_extension_asked_for_gets_a_key(
    miner: Miner, names: object, options: object, result: dict[str, Any]
) -> None:
    assert configure(miner, names, options) == [{"id": 1, "result": result, "error": None}]


@pytest.mark.rule("A4.3", "A4.8")
@pytest.mark.parametrize(
    ("request_line", "result"),
    [
        (
            (
                '{"id":0,"method":"mining.configure","params":[["version-rolling"],'
                '{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":16}]}'
            ),
            GRANTED,
        ),
        (
            (
                '{"id": 9966, "method": "mining.configure", "params": '
                '[["version-rolling", "subscribe-extranonce"], '
                '{"version-rolling.mask": "1fffe000", "version-rolling.min-bit-count": 16}]}'
            ),
            {**GRANTED, "subscribe-extranonce": True},
        ),
        (
            (
                '{"id":1,"method":"mining.configure","params":'
                '[["version-rolling","minimum-difficulty","subscribe-extranonce"],'
                '{"version-rolling.mask":"1fffe000","version-rolling.min-bit-count":16,'
                '"minimum-difficulty.value":2048}]}'
            ),
            {**GRANTED, "minimum-difficulty": True, "subscribe-extranonce": True},
        ),
    ],
)
def test_requests_recorded_in_the_field_are_answered_whole(
    miner: Miner, request_line: str, result: dict[str, Any]
) -> None:
    answer, told = miner.feed(request_line.encode() + b"\n")
    assert answer == {"id": json.loads(request_line)["id"], "result": result, "error": None}
    assert told == SET_MASK


@pytest.mark.rule("A4.4")
@pytest.mark.parametrize("mask", ["00000000", "e0001fff", "0", "", "xyz", "123456789", 7, None])
def test_where_nothing_can_be_rolled_the_answer_says_so_and_the_line_stays(
    miner: Miner, mask: object
) -> None:
    lines = configure(miner, ["version-rolling"], {"version-rolling.mask": mask})
    assert lines == [{"id": 1, "result": {"version-rolling": False}, "error": None}]
    assert miner.session.closing is None
    miner.login()
    assert error_of(miner.submit(miner.share(bits=0x2000))) == 20


@pytest.mark.rule("A4.5")
def test_a_client_that_did_not_configure_hears_of_no_mask(pool: Pool, miner: Miner) -> None:
    miner.call("mining.configure", ["minimum-difficulty"], {"minimum-difficulty.value": 1e-9})
    miner.login()
    pool.new_job(small_template(prevhash_le=b"\x01" * 32, rolling_mask=0x00FFE000))
    miner.give()
    assert b"version" not in miner.raw


@pytest.mark.rule("A4.6")
@pytest.mark.parametrize("value", [2e-9, 1, 2048])
def test_a_minimum_is_a_floor_for_this_connection_and_may_change(
    miner: Miner, value: float
) -> None:
    configure(miner, ["minimum-difficulty"], {"minimum-difficulty.value": value})
    miner.pool.job = small_job(miner.pool)
    miner.login()
    assert miner.difficulty == value
    configure(miner, ["minimum-difficulty"], {"minimum-difficulty.value": value * 2})
    miner.give()
    assert miner.difficulty == value * 2
    configure(miner, ["minimum-difficulty"], {"minimum-difficulty.value": 0})
    assert miner.session.difficulty.floor == miner.session.limits.difficulty.lowest


def small_job(pool: Pool) -> Any:
    return pool.new_job()[0]


@pytest.mark.rule("A4.7", "A7.3")
def test_the_mask_before_stays_valid_until_the_next_clean_job(pool: Pool, miner: Miner) -> None:
    configure(miner, ["version-rolling"], {"version-rolling.mask": "00006000"})
    miner.login()
    old = miner.share(bits=0x4000)
    configure(miner, ["version-rolling"], {"version-rolling.mask": "1fff8000"})
    assert miner.submit(old)["result"] is True
    assert miner.submit(miner.share(bits=0x8000))["result"] is True
    pool.new_job()
    miner.give()
    assert miner.submit(miner.share(bits=0x2000))["result"] is True
    pool.new_job(small_template(prevhash_le=b"\x01" * 32))
    miner.give()
    assert error_of(miner.submit(miner.share(bits=0x2000))) == 20
    assert miner.submit(miner.share(bits=0x8000))["result"] is True


@pytest.mark.rule("A4.7", "A7.3")
def test_a_template_that_rolls_other_bits_renews_the_mask_with_a_clean_job(
    pool: Pool, miner: Miner
) -> None:
    configure(miner, ["version-rolling"], VERSION_ROLLING)
    miner.login()
    for rolling in (0x0FFFE000, 0x1FFFE000):
        tip = rolling.to_bytes(32, "little")
        pool.new_job(small_template(prevhash_le=tip, rolling_mask=rolling))
        told, notify = miner.give()
        assert told["params"] == [f"{rolling:08x}"]
        assert notify["params"][-1] is True
    assert miner.submit(miner.share(bits=0x10000000))["result"] is True


@pytest.mark.rule("A5.1", "A5.2")
@pytest.mark.parametrize("state", [State.CONNECTED, State.SUBSCRIBED, State.WORKING])
def test_an_extranonce_subscription_is_always_true(miner: Miner, state: State) -> None:
    if state is not State.CONNECTED:
        miner.subscribe()
    if state is State.WORKING:
        miner.authorize()
    for params in ([], ["x"], None):
        request = {"id": "xnsub", "method": "mining.extranonce.subscribe", "params": params}
        assert miner.say(request) == [{"id": "xnsub", "result": True, "error": None}]


@pytest.mark.rule("A5.3", "A5.4")
def test_an_extranonce_never_changes_under_a_miner(pool: Pool, miner: Miner) -> None:
    miner.call("mining.extranonce.subscribe")
    miner.call("mining.configure", ["subscribe-extranonce"], {})
    miner.login()
    given = miner.extranonce1
    early = miner.share()
    for tip in range(3):
        pool.new_job(small_template(prevhash_le=bytes(31) + bytes([tip])))
        miner.give()
        miner.subscribe("again", "5e55")
        assert miner.submit(miner.share())["result"] is True
    assert miner.extranonce1 == given
    assert b"set_extranonce" not in miner.raw
    assert error_of(miner.submit(early)) == 21
    assert {one["extranonce1"].tobytes() for one in pool.taken()} == {given}


def test_a_handshake_names_no_method_that_miners_take_for_an_answer(miner: Miner) -> None:
    lines = configure(miner, ["version-rolling"], VERSION_ROLLING)
    lines += miner.subscribe() + miner.authorize()
    assert methods_of(lines) == [
        "=",
        "mining.set_version_mask",
        "=",
        "=",
        "mining.set_difficulty",
        "mining.notify",
    ]

"""A8: mining.submit. The order of the checks, what each earns, and that no block is missed."""

import json
from typing import Any

import pytest

from kench import native
from kench.native import FLAG_BLOCK, FLAG_UNCREDITED, Verdict
from kench.pool.work import EASIEST_DIFFICULTY, target_of
from tests.support.jobs import small_template
from tests.support.sessions import (
    TOKEN,
    Miner,
    Pool,
    easy_limits,
    error_of,
    parse_lines,
)

ALL = 2**256 - 1
HARD = 4 * EASIEST_DIFFICULTY


def other_tip(number: int = 1, **more: Any) -> Any:
    return small_template(prevhash_le=bytes(31) + bytes([number]), **more)


@pytest.mark.rule("A8.1")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: [],
        lambda good: good[:4],
        lambda good: [good[0], 7, *good[2:]],
        lambda good: [None, *good[1:]],
        lambda good: [*good[:4], int(good[4], 16)],
        lambda good: [*good, 0],
        lambda good: [*good, ["00000000"]],
        lambda good: [good],
    ],
)
def test_too_few_or_wrongly_typed_params_are_invalid(miner: Miner, spoil: Any) -> None:
    miner.login()
    answer = miner.submit(spoil(miner.share()))
    assert answer["error"] == [20, "Invalid params", None]
    assert miner.session.closing is None


@pytest.mark.rule("A8.1")
def test_a_null_sixth_and_anything_after_it_are_ignored(miner: Miner) -> None:
    miner.login()
    assert miner.submit([*miner.share(), None])["result"] is True
    assert miner.submit([*miner.share(bits=0), "x", 7, None])["result"] is True


@pytest.mark.rule("A8.1")
def test_before_subscription_25_before_login_24(miner: Miner) -> None:
    params = ["1.w1", "1", "0" * 16, "0" * 8, "0" * 8]
    assert error_of(miner.submit(params)) == 25
    miner.subscribe()
    assert error_of(miner.submit(params)) == 24
    miner.authorize()
    assert error_of(miner.submit(params)) == 21


@pytest.mark.rule("A8.2")
def test_answers_have_the_forms_that_miners_read(miner: Miner) -> None:
    miner.login()
    good = miner.share()
    for general in (False, True):
        miner.raw = b""
        share = miner.share()
        params = [*share, None] if general else share
        miner.say({"id": 5, "method": "mining.submit", "params": params})
        miner.say({"id": 6, "method": "mining.submit", "params": [good[0], "0", *good[2:]]})
        assert miner.raw == (
            b'{"id":5,"result":true,"error":null}\n'
            b'{"id":6,"result":null,"error":[21,"Job not found",null]}\n'
        )


@pytest.mark.rule("A8.2")
def test_every_submit_is_answered_once_in_order_whatever_its_spelling(miner: Miner) -> None:
    miner.login()
    lines, expected = b"", []
    for number in range(60):
        share: list[Any] = list(miner.share())
        if number % 3 == 0:
            share[0] = "1.wrong"
        message: dict[str, Any] = {"params": share, "id": number, "method": "mining.submit"}
        if number % 4 == 0:
            message["extra"] = 1
        lines += json.dumps(message, ensure_ascii=number % 5 == 0).encode() + b"\n"
        expected.append((number, number % 3 != 0))
    answers = miner.feed(lines)
    assert [(one["id"], one["result"] is True) for one in answers] == expected


@pytest.mark.rule("A8.3")
@pytest.mark.parametrize("size", [0, 2, 8, 14, 15, 17, 18, 32])
def test_an_extranonce2_of_another_size_is_refused_not_padded(miner: Miner, size: int) -> None:
    miner.login()
    params = miner.share()
    params[2] = ("00" * 16)[:size]
    answer = miner.submit(params)
    assert answer["error"] == [20, "Invalid extranonce2 size", None]


@pytest.mark.rule("A8.4")
def test_numbers_may_be_upper_case_or_without_leading_zeros(miner: Miner) -> None:
    miner.call("mining.configure", ["version-rolling"], {})
    miner.login()
    upper = [text.upper() if at >= 2 else text for at, text in enumerate(miner.share())]
    assert miner.submit(upper)["result"] is True
    for number in range(20):
        short = miner.share(bits=0x2000 * number)
        short[4] = short[4].lstrip("0") or "0"
        short[5] = short[5].lstrip("0") or "0"
        assert miner.submit(short)["result"] is True


@pytest.mark.rule("A8.4")
@pytest.mark.parametrize("text", ["", "123456789", "0x123", "+1", "-1", " 1", "1 ", "1_0", "g"])
def test_other_spellings_of_numbers_are_refused(miner: Miner, text: str) -> None:
    miner.call("mining.configure", ["version-rolling"], {})
    miner.login()
    for position in (3, 4, 5):
        params = miner.share(bits=0)
        params[position] = text
        assert error_of(miner.submit(params)) == 20


@pytest.mark.rule("A8.5", "A8.12")
def test_one_share_in_another_spelling_is_a_duplicate(pool: Pool, miner: Miner) -> None:
    miner.call("mining.configure", ["version-rolling"], {})
    miner.login()
    share = miner.share(bits=0)
    assert miner.submit(share)["result"] is True
    short = [*share[:4], share[4].lstrip("0") or "0", "0"]
    upper = [text.upper() if at >= 2 else text for at, text in enumerate(share)]
    for again in (share, upper, short, share[:5], [*share, "more"]):
        assert error_of(miner.submit(again)) == 22
    assert len(pool.taken()) == 1


@pytest.mark.rule("A8.5")
def test_another_worker_of_the_line_cannot_sell_the_same_share(miner: Miner) -> None:
    miner.login("1.w1")
    miner.authorize("3.w1")
    share = miner.share("1.w1")
    assert miner.submit(share)["result"] is True
    assert error_of(miner.submit(["3.w1", *share[1:]])) == 22


@pytest.mark.rule("A8.6")
def test_version_bits_must_lie_in_the_mask(miner: Miner) -> None:
    miner.call("mining.configure", ["version-rolling"], {"version-rolling.mask": "00ffe000"})
    miner.login()
    assert miner.submit(miner.share(bits=0x00C00000))["result"] is True
    for bits in (0x01000000, 0x1000, 0x20000000, 0xFFFFFFFF):
        params = [*miner.share(), f"{bits:08x}"]
        assert miner.submit(params)["error"] == [20, "Invalid version mask", None]


@pytest.mark.rule("A8.6")
def test_without_configure_only_zero_bits_pass_and_with_it_none_means_zero(pool: Pool) -> None:
    plain = pool.miner().login()
    for zero in ("0", "00000000"):
        assert plain.submit([*plain.share(), zero])["result"] is True
    assert error_of(plain.submit(plain.share(bits=0x2000))) == 20
    rolling = pool.miner()
    rolling.call("mining.configure", ["version-rolling"], {})
    rolling.login()
    assert rolling.submit(rolling.share())["result"] is True
    assert {int(one["version"]) for one in pool.taken()} == {pool.template.version}


@pytest.mark.rule("A8.7", "A9.3")
def test_an_old_antminer_is_kept_on_five_params(miner: Miner) -> None:
    miner.login()
    assert miner.call("mining.multi_version", 1) == [{"id": 1002, "result": True, "error": None}]
    assert b'"method":"mining.multi_version"' not in miner.raw
    assert miner.submit(miner.share())["result"] is True
    full = [*miner.share(), f"{miner.pool.template.version:08x}"]
    assert miner.submit(full)["error"] == [20, "Invalid version mask", None]


@pytest.mark.rule("A8.8")
def test_an_unknown_job_is_21(miner: Miner) -> None:
    miner.login()
    params = miner.share()
    assert miner.submit([params[0], "deadbeef", *params[2:]])["error"] == [
        21,
        "Job not found",
        None,
    ]


@pytest.mark.rule("A8.9")
def test_a_share_of_the_tip_before_is_stale_unless_in_grace(pool: Pool, miner: Miner) -> None:
    miner.login()
    shares = [miner.share() for _ in range(3)]
    pool.new_job(other_tip(1), grace_ms=2000)
    pool.clock.advance(1.9)
    assert miner.submit(shares[0])["result"] is True
    pool.clock.advance(0.2)
    assert miner.submit(shares[1])["error"] == [21, "Stale", None]
    pool.new_job(other_tip(2), grace_ms=2000)
    assert miner.submit(shares[2])["error"] == [21, "Stale", None]


@pytest.mark.rule("A8.10")
def test_ntime_may_roll_within_its_window_and_not_beyond(pool: Pool, miner: Miner) -> None:
    miner.login()
    template = pool.template
    now = pool.clock.now_us() // 1_000_000
    latest = max(template.curtime, now) + 7000
    for ntime in (template.mintime, template.curtime + 1, now + 600, latest):
        assert miner.submit(miner.share(ntime=ntime))["result"] is True
    for ntime in (template.mintime - 1, latest + 1, now + 7201, 0, 0xFFFFFFFF):
        answer = miner.submit(miner.share(ntime=ntime))
        assert answer["error"] == [20, "Ntime out of range", None]


@pytest.mark.rule("A8.10")
def test_no_ntime_is_taken_that_consensus_would_refuse(pool: Pool, miner: Miner) -> None:
    pool.clock.step(-3600)
    miner.login()
    now = pool.clock.now_us() // 1_000_000
    assert miner.submit(miner.share(ntime=now + 7200))["result"] is True
    assert error_of(miner.submit(miner.share(ntime=now + 7201))) == 20


@pytest.mark.rule("A8.11")
def test_a_hash_above_the_target_is_23(pool: Pool) -> None:
    miner = pool.miner(easy_limits(start=HARD)).login()
    answer = miner.submit(miner.share(easier=EASIEST_DIFFICULTY, harder=HARD))
    assert answer["error"] == [23, "Low difficulty share", None]


@pytest.mark.rule("A8.12")
def test_a_block_sent_twice_is_found_once(pool: Pool) -> None:
    pool.new_job(small_template(block_target=ALL))
    miner = pool.miner().login()
    share = miner.share()
    assert miner.submit(share)["result"] is True
    assert error_of(miner.submit(share)) == 22
    assert len(pool.table.take_candidates()) == 1
    assert [int(one["flags"]) for one in pool.taken()] == [FLAG_BLOCK]


def stale(pool: Pool, miner: Miner) -> tuple[Miner, list[str]]:
    share = miner.share()
    pool.new_job(other_tip())
    return miner, share


def wrong_ntime(pool: Pool, miner: Miner) -> tuple[Miner, list[str]]:
    return miner, miner.share(ntime=pool.template.mintime - 1)


def unknown_name(pool: Pool, miner: Miner) -> tuple[Miner, list[str]]:
    return miner, miner.share("1.renamed")


def low(pool: Pool, miner: Miner) -> tuple[Miner, list[str]]:
    """A job whose block target is easier than the share target: never sent, yet looked for."""
    miner.session.gate.set_difficulty(HARD, bytes(32), pool.job.key)
    return miner, miner.share()


@pytest.mark.rule("A8.13")
@pytest.mark.parametrize(
    ("case", "verdict"),
    [
        (stale, Verdict.STALE),
        (wrong_ntime, Verdict.NTIME_OUT_OF_RANGE),
        (unknown_name, Verdict.UNAUTHORISED),
        (low, Verdict.LOW_DIFFICULTY),
    ],
)
@pytest.mark.parametrize("general", [False, True], ids=["plain line", "general line"])
def test_a_block_is_found_whatever_the_share_earns(
    pool: Pool, case: Any, verdict: Verdict, general: bool
) -> None:
    pool.new_job(small_template(block_target=ALL))
    miner, share = case(pool, pool.miner().login())
    answer = miner.submit([*share, None] if general else share)
    assert error_of(answer) == verdict.code
    ((*_, told, sequence),) = pool.table.take_candidates()
    (record,) = pool.taken()
    assert told is verdict
    assert int(record["sequence"]) == sequence
    assert int(record["flags"]) == FLAG_BLOCK | FLAG_UNCREDITED


@pytest.mark.rule("A8.13")
def test_the_block_test_is_exact_to_the_last_bit_of_the_target() -> None:
    def candidates(block_target: int) -> list[int]:
        """Hashes found as blocks when the same first share comes to a pool just begun."""
        pool = Pool(template=small_template(block_target=block_target))
        miner = pool.miner().login()
        assert miner.submit(miner.share())["result"] is True
        return [int.from_bytes(one[2], "little") for one in pool.table.take_candidates()]

    (value,) = candidates(ALL)
    assert candidates(value) == [value]
    assert candidates(value - 1) == []


@pytest.mark.rule("A8.14")
@pytest.mark.parametrize("block_target", [ALL, ALL // 3, 1 << 240, 0xFFFF << 208, 0x1234567 << 200])
def test_every_hash_that_is_a_block_meets_the_difficulty_sent(
    pool: Pool, block_target: int
) -> None:
    pool.new_job(small_template(block_target=block_target))
    miner = pool.miner(easy_limits(start=2.0**60, lowest=1.0)).login()
    assert target_of(miner.difficulty) >= block_target


@pytest.mark.rule("A8.15", "A8.17", "A10.3")
def test_a_flood_is_met_with_difficulty_never_with_a_ban(pool: Pool, miner: Miner) -> None:
    miner.login()
    pool.clock.advance(4)
    for _ in range(200):
        pool.clock.advance(0.001)
        assert miner.submit(miner.share())["result"] is True
    assert miner.session.difficulty.changed
    assert miner.session.difficulty.start > 100 * miner.difficulty
    pool.new_job()
    before = miner.difficulty
    miner.give()
    assert miner.difficulty > 100 * before
    assert miner.session.closing is None


@pytest.mark.rule("A8.15")
def test_a_burst_of_stale_shares_after_a_block_is_answered_and_forgiven(
    pool: Pool, miner: Miner
) -> None:
    miner.login()
    shares = [miner.share() for _ in range(100)]
    pool.new_job(other_tip())
    miner.give()
    assert {error_of(miner.submit(share)) for share in shares} == {21}
    assert miner.session.closing is None
    assert miner.submit(miner.share())["result"] is True


def test_what_was_credited_is_what_the_record_says(pool: Pool, miner: Miner) -> None:
    miner.call("mining.configure", ["version-rolling"], {})
    miner.login()
    share = miner.share(bits=0x00C00000)
    assert miner.submit(share)["result"] is True
    (record,) = pool.taken()
    assert int(record["job_key"]) == int(share[1], 16)
    assert record["extranonce1"].tobytes() == miner.extranonce1
    assert record["extranonce2"].tobytes().hex() == share[2]
    assert int(record["ntime"]) == int(share[3], 16)
    assert int(record["nonce"]) == int(share[4], 16)
    assert int(record["version"]) == pool.template.version | 0x00C00000
    assert (int(record["participant"]), int(record["worker"])) == (1, 11)
    assert int(record["time_us"]) == pool.clock.now_us()
    assert int(record["flags"]) == 0


def test_refusals_are_counted_once_each_by_participant_worker_and_reason(
    pool: Pool, miner: Miner
) -> None:
    miner.login()
    share = miner.share()
    miner.submit(share)
    miner.submit(share)
    miner.submit([share[0], "0", *share[2:]])
    miner.submit([])
    assert pool.table.take_tally() == {
        (1, 11, Verdict.DUPLICATE, miner.session.agent): 1,
        (1, 11, Verdict.JOB_NOT_FOUND, miner.session.agent): 1,
        (1, 11, Verdict.INVALID_PARAMS, miner.session.agent): 1,
    }


def test_plain_and_general_lines_earn_the_same(pool: Pool) -> None:
    """Each share goes to one of two sessions in either spelling; the answers are equal."""
    plain, general = pool.miner().login(), pool.miner().login()
    shares = [plain.share() for _ in range(5)]
    wrong = [["1.no", *shares[0][1:]], [*shares[0][:2], "00", *shares[0][3:]], shares[1][:3]]
    for params in (*shares, shares[0], *wrong):
        line = {"id": 1, "method": "mining.submit", "params": params}
        one = plain.say(line)
        other = general.session.receive(
            json.dumps({**line, "extra": TOKEN}).encode() + b"\n",
            pool.clock.now_us(),
            pool.clock.monotonic(),
        )
        assert one == parse_lines(other)


def test_with_no_room_for_a_record_a_share_is_refused_and_may_come_again(pool: Pool) -> None:
    pool.records = native.RecordBuffer(2, 0)
    miner = pool.miner().login()
    shares = [miner.share() for _ in range(3)]
    assert [error_of(miner.submit(share)) for share in shares] == [None, None, 20]
    assert len(pool.taken()) == 2
    assert miner.submit(shares[2])["result"] is True

"""A7: mining.notify and jobs, as sessions send them and miners must be able to use them."""

import re
from dataclasses import replace
from typing import Any

import pytest

from kench.native import JobTable
from kench.pool.bitcoin import push_height
from kench.pool.clock import ManualClock
from kench.pool.template import ROLLING_MASK, Template
from kench.stratum.jobs import JOBS_MAX
from tests.support.jobs import (
    TAG,
    Jobs,
    large_answer,
    large_template,
    now_of,
    small_answer,
    small_template,
)
from tests.support.sessions import Miner, Pool, error_of, methods_of

HEX = re.compile(r"[0-9a-f]*")
COMMITMENT = bytes.fromhex("6a24aa21a9ed")


def notify_of(template: Template) -> list[Any]:
    """Params of the job that a new miner is sent."""
    miner = Pool(template=template).miner().login()
    assert miner.work is not None
    return miner.work.params


def coinbase_of(params: list[Any]) -> bytes:
    return bytes.fromhex(params[2]) + bytes(12) + bytes.fromhex(params[3])


TEMPLATES = pytest.mark.parametrize(
    "template", [small_template(), large_template()], ids=["empty", "3101 transactions"]
)


@pytest.mark.rule("A7.1")
@TEMPLATES
def test_the_fields_have_the_lengths_and_the_order_that_firmware_checks(
    template: Template,
) -> None:
    params = notify_of(template)
    assert len(params) == 9
    job_id, prevhash, coinb1, coinb2, branches, version, nbits, ntime, clean = params
    assert [len(one) for one in (prevhash, version, nbits, ntime)] == [64, 8, 8, 8]
    assert all(len(branch) == 64 for branch in branches)
    assert len(branches) <= 32
    for text in (job_id, prevhash, coinb1, coinb2, *branches, version, nbits, ntime):
        assert HEX.fullmatch(text)
    assert clean is True
    assert int(nbits, 16) == template.nbits
    groups = [prevhash[at : at + 8] for at in range(0, 64, 8)]
    assert "".join(reversed(groups)) == template.prevhash


@pytest.mark.rule("A7.2")
def test_job_ids_are_short_and_never_come_again_not_even_after_a_restart() -> None:
    clock = ManualClock(now_of(small_template()))
    seen: list[int] = []
    for _restart in range(3):
        jobs = Jobs(JobTable(JOBS_MAX), clock, after=seen[-1] if seen else 0)
        for _ in range(40):
            job, _ = jobs.add(small_template())
            seen.append(job.key)
            assert len(f"{job.key:x}") <= 16
        clock.step(-3600)
    assert seen == sorted(set(seen))


@pytest.mark.rule("A7.2", "A8.8")
@pytest.mark.parametrize(
    "spelling", ["0{}", "{} ", "0x{}", "-{}", "{}0", "ffffffffffffffff", "", "0"]
)
def test_only_the_job_id_as_sent_names_the_job(miner: Miner, spelling: str) -> None:
    miner.login()
    params = miner.share()
    params[1] = spelling.format(params[1])
    assert error_of(miner.submit(params)) == 21


@pytest.mark.rule("A7.3")
def test_only_a_first_job_and_a_new_tip_are_clean(pool: Pool, miner: Miner) -> None:
    miner.login()
    sent = []
    for tip, changed in [(0, False), (1, True), (1, False), (1, False), (2, True)]:
        template = small_template(prevhash_le=bytes(31) + bytes([tip])) if tip else None
        pool.new_job(template)
        miner.give()
        assert miner.work is not None
        sent.append(miner.work.params[-1] is changed)
    assert all(sent)


@pytest.mark.rule("A7.3")
def test_a_tip_whose_clean_job_was_overtaken_is_clean_in_the_next(pool: Pool, miner: Miner) -> None:
    miner.login()
    pool.new_job(small_template(prevhash_le=b"\x01" * 32))
    pool.new_job()
    (notify,) = miner.give(clean=False)
    assert notify["params"][-1] is True


@pytest.mark.rule("A7.5")
def test_jobs_stay_good_for_ten_minutes_of_refreshes_and_retargets(
    pool: Pool, miner: Miner
) -> None:
    miner.login()
    share = miner.share()
    assert JOBS_MAX > 600 / 25 + 600 / 3
    for _ in range(600 // 25 + 600 // 3):
        pool.new_job()
    pool.clock.advance(600)
    assert miner.submit(share)["result"] is True


@pytest.mark.rule("A7.5", "A8.13")
def test_jobs_of_the_tip_before_are_kept_to_find_blocks_in(pool: Pool) -> None:
    easy = small_template(block_target=2**256 - 1)
    pool.new_job(easy)
    miner = pool.miner().login()
    share = miner.share()
    pool.new_job(small_template(prevhash_le=b"\x01" * 32))
    pool.clock.advance(120)
    pool.new_job()
    assert error_of(miner.submit(share)) == 21
    assert len(pool.table.take_candidates()) == 1


@pytest.mark.rule("A7.6")
@pytest.mark.parametrize(("curtime", "mintime"), [(1_800_000_000, 1), (5, 1_800_000_000)])
def test_ntime_is_the_templates_time_and_never_below_its_least(curtime: int, mintime: int) -> None:
    template = Template.parse({**small_answer(), "curtime": curtime, "mintime": mintime})
    assert int(notify_of(template)[7], 16) == 1_800_000_000


@pytest.mark.rule("A7.7")
@pytest.mark.parametrize("version", [0x20000000, 0x30000000, 0x3FFFE000, 0x7FFFFFFF])
def test_the_jobs_version_has_none_of_the_bits_that_may_be_rolled(version: int) -> None:
    template = Template.parse({**small_answer(), "version": version})
    assert int(notify_of(template)[5], 16) & template.rolling_mask == 0
    assert int(notify_of(template)[5], 16) | ROLLING_MASK == version | ROLLING_MASK


@pytest.mark.rule("A7.7")
def test_regtests_signalled_bit_28_is_left_to_the_miner() -> None:
    pool = Pool(template=Template.parse({**large_answer(), "version": 0x30000000}))
    miner = pool.miner()
    (answer, _) = miner.call("mining.configure", ["version-rolling"], {})
    assert answer["result"]["version-rolling.mask"] == "1fffe000"
    miner.login()
    # BIP310, OR and XOR make the same header of it.
    for bits in (0x10000000, 0x1FFFE000, 0x2000, 0):
        assert miner.submit(miner.share(bits=bits))["result"] is True


@pytest.mark.rule("A7.8", "A7.9", "A10.1")
@TEMPLATES
def test_coinbase_and_line_fit_the_smallest_firmware(template: Template) -> None:
    pool = Pool(template=template)
    params = notify_of(template)
    assert len(coinbase_of(params)) <= 500
    assert len(pool.job.notify(clean=True)) < 3500
    assert len(coinbase_of(params)) + 32 * len(params[4]) <= 8192


@pytest.mark.rule("A7.10")
@pytest.mark.parametrize("height", [1, 16, 17, 127, 128, 255, 256, 32_767, 32_768, 900_000])
def test_the_script_begins_with_the_height_and_pushes_the_extranonce(height: int) -> None:
    raw = coinbase_of(notify_of(small_template(height=height)))
    size, script = raw[41], raw[42 : 42 + raw[41]]
    assert 2 <= size <= 100
    assert script.startswith(push_height(height))
    assert TAG in script
    # The last push is the extranonce: its size, then four and eight bytes.
    assert script[-13:] == b"\x0c" + bytes(12)


@pytest.mark.rule("A7.10")
def test_flags_that_the_template_asks_for_stand_in_the_script() -> None:
    template = small_template(coinbase_flags=b"\x03abc")
    assert b"\x03abc" in coinbase_of(notify_of(template))[42:142]


@pytest.mark.rule("A7.11")
@TEMPLATES
def test_the_halves_have_no_witness_and_the_commitment_is_the_last_output(
    template: Template,
) -> None:
    raw = coinbase_of(notify_of(template))
    assert raw[4] == 1, "one input where a witness marker would be"
    assert template.witness_commitment is not None
    assert template.witness_commitment.startswith(COMMITMENT)
    last = bytes(8) + bytes([len(template.witness_commitment)]) + template.witness_commitment
    assert raw.endswith(last + bytes(4))


@pytest.mark.rule("A7.12")
def test_an_empty_block_has_no_branches_and_its_root_is_the_coinbase(pool: Pool) -> None:
    miner = pool.miner().login()
    assert miner.work is not None
    assert miner.work.params[4] == []
    assert miner.submit(miner.share())["result"] is True


@pytest.mark.rule("A7.12")
def test_branches_of_a_full_block_lead_to_the_root_that_all_its_txids_have() -> None:
    pool = Pool(template=large_template())
    miner = pool.miner().login()
    assert miner.work is not None
    assert len(miner.work.params[4]) == 12
    assert miner.submit(miner.share())["result"] is True


@pytest.mark.rule("A7.4")
def test_a_refresh_every_half_minute_is_one_plain_job(pool: Pool, miner: Miner) -> None:
    miner.login()
    for _ in range(5):
        pool.clock.advance(25)
        later = replace(pool.template, curtime=pool.clock.now_us() // 1_000_000)
        pool.new_job(later)
        assert methods_of(miner.give()) == ["mining.notify"]
        assert miner.submit(miner.share())["result"] is True

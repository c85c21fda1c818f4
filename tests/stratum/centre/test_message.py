"""A job of another machine: it arrives as it was made, and what anybody else writes is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.native import JobTable
from kench.pool.clock import ManualClock
from kench.pool.job import Job, JobKeys, notify_lines
from kench.stratum.centre.message import (
    AHEAD_US,
    HEAD,
    MESSAGE_BYTES_MAX,
    VERSION,
    MessageRefusedError,
    Refusal,
    decode,
    encode,
)
from tests.support.jobs import Jobs, large_template, small_template

NOW_US = ManualClock().now_us()
AGE_S = 100.0


def made(*, large: bool = False) -> Job:
    jobs = Jobs(JobTable(16), ManualClock())
    return jobs.add(large_template() if large else small_template())[0]


@pytest.mark.parametrize("large", [True, False])
def test_a_job_arrives_as_it_was_made(large: bool) -> None:
    job = made(large=large)
    heard = decode(encode(job, 7, NOW_US), NOW_US, AGE_S)
    assert (heard.epoch, heard.time_us, heard.for_all) == (7, NOW_US, True)
    assert heard.job.archived == job.archived
    assert heard.job.facts == job.facts
    assert heard.job.notify(clean=True) == job.notify(clean=True)


@given(at=st.integers(0, 6000), junk=st.binary(max_size=40), keep=st.integers(0, 6000))
def test_whatever_is_written_is_refused_or_is_a_job_with_its_own_lines(
    at: int, junk: bytes, keep: int
) -> None:
    sent = encode(made(), 7, NOW_US)
    spoilt = sent[:at] + junk + sent[at + keep :]
    try:
        heard = decode(spoilt, NOW_US, AGE_S)
    except MessageRefusedError:
        return
    job = heard.job
    assert (job.notify_clean, job.notify_more) == notify_lines(job.archived)


@given(st.binary(max_size=400))
def test_bytes_that_are_no_message_are_refused(junk: bytes) -> None:
    with pytest.raises(MessageRefusedError):
        decode(HEAD.pack(VERSION, 0, 1, NOW_US) + junk, NOW_US, AGE_S)


def spoilt(change: Callable[[dict[str, Any], dict[str, Any]], object]) -> bytes:
    """A message whose archive line and facts were changed, its lines for miners made to fit."""
    sent = encode(made(), 7, NOW_US)
    flag, body = sent[HEAD.size : HEAD.size + 1], sent[HEAD.size + 1 :]
    archived, facts, clean, more, _ = body.split(b"\n")
    fields, kept = json.loads(archived), json.loads(facts)
    change(fields, kept)
    pieces = (json.dumps(fields).encode(), json.dumps(kept).encode(), clean, more, b"")
    return sent[: HEAD.size] + flag + b"\n".join(pieces)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
FIELDS = sorted(json.loads(made().archived.line()))
FACTS = ["rolling_mask", "has_witness", "transactions", "body_key"]


@given(name=st.sampled_from(FIELDS), value=JSON)
def test_a_field_of_the_archive_that_is_anything_else_is_refused(name: str, value: object) -> None:
    before = json.loads(made().archived.line())[name]
    message = spoilt(lambda fields, _facts: fields.update({name: value}))
    if value == before or name in {"height", "mintime", "reward_sat", "block_target"}:
        return  # these are in no line for miners: custody and the bounds below judge them
    with pytest.raises(MessageRefusedError):
        decode(message, NOW_US, AGE_S)


@given(name=st.sampled_from([*FACTS, "height", "mintime", "reward_sat"]), value=JSON)
def test_a_number_that_is_none_is_refused(name: str, value: object) -> None:
    wanted = bool if name == "has_witness" else int
    if type(value) is wanted:
        return
    change = (
        (lambda _fields, facts: facts.update({name: value}))
        if name in FACTS
        else (lambda fields, _facts: fields.update({name: value}))
    )
    with pytest.raises(MessageRefusedError):
        decode(spoilt(change), NOW_US, AGE_S)


@pytest.mark.parametrize(
    ("name", "value"),
    [("rolling_mask", 1), ("rolling_mask", -1), ("transactions", 10**7), ("body_key", 2**63)],
)
def test_a_number_out_of_bounds_is_refused(name: str, value: int) -> None:
    with pytest.raises(MessageRefusedError) as refused:
        decode(spoilt(lambda _fields, facts: facts.update({name: value})), NOW_US, AGE_S)
    assert refused.value.refusal is Refusal.NO_JOB


def test_a_job_whose_coinbase_lacks_its_key_is_refused() -> None:
    other = f"{made().key + 1:x}"
    with pytest.raises(MessageRefusedError) as refused:
        decode(spoilt(lambda fields, _facts: fields.update({"job": other})), NOW_US, AGE_S)
    assert refused.value.refusal is Refusal.NO_JOB


@pytest.mark.parametrize(
    ("time_us", "refusal"),
    [
        (NOW_US + AHEAD_US + 1, Refusal.AHEAD),
        (NOW_US - round(AGE_S * 1e6) - 1, Refusal.OLD),
        (0, Refusal.OLD),
    ],
)
def test_a_message_of_another_time_is_refused(time_us: int, refusal: Refusal) -> None:
    with pytest.raises(MessageRefusedError) as refused:
        decode(encode(made(), 7, time_us), NOW_US, AGE_S)
    assert refused.value.refusal is refusal


def test_a_key_that_would_leave_no_higher_ones_is_refused() -> None:
    job = made().rekeyed(2**63 - 1)
    with pytest.raises(MessageRefusedError) as refused:
        decode(encode(job, 7, NOW_US), NOW_US, AGE_S)
    assert refused.value.refusal is Refusal.AHEAD


def test_a_message_that_is_too_long_is_not_looked_at() -> None:
    with pytest.raises(MessageRefusedError):
        decode(bytes(MESSAGE_BYTES_MAX + 1), NOW_US, AGE_S)


def test_another_key_is_another_search_space_of_the_same_template() -> None:
    job = made(large=True)
    other = job.rekeyed(job.key + 1)
    assert (other.key, other.facts, other.prevhash_le) == (job.key + 1, job.facts, job.prevhash_le)
    share = bytes(4), bytes(8), job.archived.ntime, 7, job.archived.version
    assert other.prepared.header(*share) != job.prepared.header(*share)
    assert decode(encode(other, 7, NOW_US), NOW_US, AGE_S).job.archived == other.archived


@given(
    lanes=st.lists(st.integers(0, 4095), min_size=2, max_size=4, unique=True),
    turns=st.lists(st.tuples(st.integers(0, 3), st.floats(-0.01, 0.01)), max_size=60),
)
def test_makers_with_lanes_of_their_own_never_make_the_same_key_and_each_one_s_rise(
    lanes: list[int], turns: list[tuple[int, float]]
) -> None:
    clock = ManualClock()
    makers = [JobKeys(clock, lane=lane) for lane in lanes]
    keys: list[list[int]] = [[] for _ in makers]
    for which, step_s in turns:
        clock.step(step_s)
        keys[which % len(makers)].append(makers[which % len(makers)].next())
    assert all(one == sorted(set(one)) for one in keys)
    every = [key for one in keys for key in one]
    assert len(set(every)) == len(every)
    assert all(key % 4096 == lane for lane, one in zip(lanes, keys, strict=True) for key in one)

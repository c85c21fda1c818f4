"""The feed between job maker and fronts: frames in any pieces, jobs as they were, bounds."""

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.native import JobTable
from kench.pool.clock import ManualClock
from kench.pool.job import Job
from kench.stratum.feed import (
    MESSAGE_BYTES_MAX,
    FeedBrokenError,
    Frames,
    Kind,
    content_of,
    frame,
    frame_of,
    job_frame,
    job_of,
)
from tests.support.jobs import Jobs, large_template, small_template

BODIES = st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=300)), max_size=8)


@given(said=BODIES, size=st.integers(1, 700))
def test_frames_come_out_whole_whatever_pieces_they_came_in(
    said: list[tuple[Kind, bytes]], size: int
) -> None:
    sent = b"".join(frame(kind, body) for kind, body in said)
    frames = Frames()
    heard = [
        one for at in range(0, len(sent), size) for one in frames.take(sent[at : at + size])
    ]  # fmt: skip
    assert heard == said


@pytest.mark.parametrize("length", [0, MESSAGE_BYTES_MAX + 1, 2**32 - 1])
def test_a_frame_out_of_bounds_breaks_the_feed_before_it_is_kept(length: int) -> None:
    with pytest.raises(FeedBrokenError):
        list(Frames().take(length.to_bytes(4, "little") + b"x"))


def test_a_message_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(FeedBrokenError):
        frame(Kind.STATE, bytes(MESSAGE_BYTES_MAX))


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b"\xff"])
def test_what_is_no_json_object_breaks_the_feed(body: bytes) -> None:
    with pytest.raises(FeedBrokenError):
        content_of(body)


def job(*, large: bool) -> Job:
    jobs = Jobs(JobTable(16), ManualClock())
    return jobs.add(large_template() if large else small_template())[0]


@pytest.mark.parametrize("for_all", [True, False])
@pytest.mark.parametrize("large", [True, False])
def test_a_job_arrives_as_it_was_made(large: bool, for_all: bool) -> None:
    made = job(large=large)
    ((kind, body),) = Frames().take(job_frame(made, for_all=for_all))
    came, came_for_all = job_of(body)
    assert (kind, came_for_all) == (Kind.JOB, for_all)
    for field in dataclasses.fields(Job):
        if field.name != "prepared":
            assert getattr(came, field.name) == getattr(made, field.name), field.name
    share = bytes(4), bytes(8), made.archived.ntime, 7, made.archived.version
    assert came.prepared.header(*share) == made.prepared.header(*share)
    assert len(body) < 20_000


@given(cut=st.integers(0, 4000), junk=st.binary(max_size=20))
def test_a_job_that_cannot_be_read_breaks_the_feed(cut: int, junk: bytes) -> None:
    ((_, body),) = Frames().take(job_frame(job(large=False), for_all=True))
    spoilt = body[: min(cut, len(body) - 2)] + junk
    if spoilt.count(b"\n") == 4:
        return  # junk that ends the job anew is a job
    with pytest.raises(FeedBrokenError):
        job_of(spoilt)


def test_json_bodies_are_compact() -> None:
    ((kind, body),) = Frames().take(frame_of(Kind.NO_JOB, {"why": "no node"}))
    assert (kind, json.loads(body)) == (Kind.NO_JOB, {"why": "no node"})
    assert b" " not in body.replace(b"no node", b"")

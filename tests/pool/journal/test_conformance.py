"""What holds of a journal wherever it goes: on this disk alone, or through the stream."""

import errno
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kench.backup.gathering.consuming import name_of
from kench.backup.gathering.gatherer import Gatherer
from kench.native import RECORD_SIZE
from kench.pool.clock import SystemClock
from kench.pool.journal import JournalError, JournalReader
from kench.pool.journal.format import NO_DIGEST, SegmentDigest
from kench.pool.journal.mark import DurableMark, Mark, read_mark
from kench.pool.journal.segment import OpenSegment
from tests.support.stream_pool import STREAM_BYTES, Pool, StreamFront, files_of, no_stream
from tests.support.waiting import await_that

SMALL = 64 + 10 * RECORD_SIZE


MakePool = Callable[[Path], Pool]


@pytest.fixture(params=["local", "nats"])
def make_pool(request: pytest.FixtureRequest) -> Iterator[MakePool]:
    made: list[Pool] = []

    def make(root: Path) -> Pool:
        if request.param == "local":
            made.append(Pool(root, None, None))
        else:
            servers, line = (request.getfixturevalue(name) for name in ("servers", "line"))
            no_stream(line)
            centre = root / "centre"
            centre.mkdir(parents=True)
            gatherer = Gatherer(centre, line, name_of(centre), SystemClock(), STREAM_BYTES)
            made.append(Pool(root, servers.plan("front"), gatherer))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


@pytest.fixture
def pool(make_pool: MakePool, tmp_path: Path) -> Pool:
    return make_pool(tmp_path)


def sequences(directory: Path) -> list[int]:
    reader = JournalReader(directory)
    return [int(one) for one in reader.read_span(0, reader.durable())["sequence"]]


def test_what_is_acknowledged_is_read_in_order_and_once(pool: Pool) -> None:
    front = pool.start()
    for key in range(1, 6):
        front.write(7, key)
    pool.bring()
    assert sequences(pool.there) == list(range(35))
    assert JournalReader(pool.there).job(5).job_key == 5


def test_segments_have_the_same_bytes_and_their_digests_are_a_chain(pool: Pool) -> None:
    front = pool.start(segment_bytes=SMALL)
    for key in range(1, 9):
        front.write(8, key)
    pool.bring()
    assert files_of(pool.there) == files_of(pool.here)
    before = NO_DIGEST
    digests = sorted(pool.there.glob("*.digest"))
    assert len(digests) >= 3
    for path in digests:
        digest = SegmentDigest.read(path)
        assert digest.previous == before
        before = digest.digest


class Crash(Exception):  # noqa: N818 - a power cut, no fault of a program's
    """The process ended here."""


def crash_at(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, *, is_after: bool) -> None:
    """Have the next call of a method be the process's last, before or after its effect."""
    kept = getattr(owner, name)

    def last(*given: object) -> None:
        monkeypatch.setattr(owner, name, kept)
        if is_after:
            kept(*given)
        raise Crash

    monkeypatch.setattr(owner, name, last)


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("owner", "name"),
    [(OpenSegment, "append"), (OpenSegment, "seal"), (DurableMark, "set")],
    ids=["write", "seal", "mark"],
)
def test_a_writer_that_dies_at_any_step_goes_on_where_its_disk_is(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, *, is_after: bool
) -> None:
    front = pool.start(segment_bytes=SMALL)
    front.write(11, 1)
    crash_at(monkeypatch, owner, name, is_after=is_after)
    front.hand_over(3, 2)
    await_that(lambda: bool(front.faults))
    assert isinstance(front.faults[0], Crash)
    front.kill()
    again = pool.start(segment_bytes=SMALL)
    assert again.next_sequence in {11, 14}
    again.write(4, 3)
    pool.bring()
    assert sequences(pool.there) == list(range(again.next_sequence))
    assert files_of(pool.there) == files_of(pool.here)


def test_a_torn_tail_is_nobodys_share(pool: Pool) -> None:
    front = pool.start()
    front.write(5, 1)
    front.kill()
    newest = max(pool.here.glob("*.shares"))
    with newest.open("ab") as file:
        file.write(b"\x01" * (RECORD_SIZE + 7))
    again = pool.start()
    again.write(2)
    pool.bring()
    assert sequences(pool.there) == list(range(7))
    assert files_of(pool.there) == files_of(pool.here)
    assert newest.with_name(newest.name + ".torn").exists()


def test_on_a_full_disk_nothing_is_acknowledged_until_there_is_room(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = pool.start()
    front.write(5, 1)
    pool.bring()
    kept, refused = OpenSegment.append, []

    def append(segment: OpenSegment, job_lines: bytes, records: bytes) -> None:
        if str(segment.path).startswith(str(pool.here)) and len(refused) < 1:
            refused.append(segment.path)
            with segment.path.open("ab") as file:
                file.write(records[: RECORD_SIZE // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        kept(segment, job_lines, records)

    monkeypatch.setattr(OpenSegment, "append", append)
    front.hand_over(4)
    await_that(lambda: len(front.troubles) == 1)
    assert read_mark(pool.there).records == 5
    assert front.durable.acquire(timeout=10)
    assert front.troubles[1] is None
    pool.bring()
    assert sequences(pool.there) == list(range(9))
    assert files_of(pool.there) == files_of(pool.here)


def test_a_second_writer_in_the_same_folder_is_refused(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kench.pool.journal.mark.LOCK_RETRY_S", 0.0)
    front = pool.start()
    front.write(3, 1)
    with pytest.raises(JournalError, match="another stratum process"):
        StreamFront(pool.here, pool.plan)
    front.write(3)
    pool.bring()
    assert sequences(pool.there) == list(range(6))


def test_a_writer_that_begins_again_goes_on_after_the_last_share_and_its_time(pool: Pool) -> None:
    front = pool.start()
    front.write(5, 1)
    front.stop()
    pool.bring()
    told_us = read_mark(pool.there).watermark_us
    again = pool.start()
    assert again.next_sequence == 5
    assert again.writer.floor_us >= told_us


def test_time_passes_where_no_share_comes(pool: Pool) -> None:
    front = pool.start()
    front.write(3, 1)
    pool.bring()
    before_us = read_mark(pool.there).watermark_us
    front.next_sequence += 1000
    front.hand_over(0)
    assert front.durable.acquire(timeout=10)
    pool.bring()
    assert read_mark(pool.there) == Mark(3, before_us + 1000)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 40)),
        st.tuples(st.sampled_from(["restart", "kill", "bring"]), st.just(0)),
    ),
    min_size=3,
    max_size=10,
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
def test_whatever_happens_no_record_is_before_a_time_that_was_told(
    make_pool: MakePool, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    pool = make_pool(tmp_path_factory.mktemp("pool"))
    front = pool.start(segment_bytes=SMALL)
    told: list[Mark] = []
    key = 0
    for step, count in [*steps, ("bring", 0)]:
        if step == "write":
            key += 1
            front.write(count, key)
        elif step == "bring":
            pool.bring()
            told.append(read_mark(pool.there))
        else:
            front.stop() if step == "restart" else front.kill()
            front = pool.start(segment_bytes=SMALL)
    assert sequences(pool.there) == list(range(front.next_sequence))
    times = JournalReader(pool.there).read_span(0, front.next_sequence)["time_us"]
    for before, after in itertools.pairwise(told):
        assert after.records >= before.records
        assert after.watermark_us >= before.watermark_us
    for mark in told:
        assert all(times[mark.records :] >= mark.watermark_us)
    lines = [
        json.loads(line)["job"]
        for path in sorted(pool.there.glob("*.jobs"))
        for line in path.read_text().splitlines()
    ]
    assert len(lines) == key == len(set(lines))

"""The hashing threads find what is there, follow the newest job, and end when told."""

import threading
from collections.abc import Iterator

import pytest

from kench.miner.hashing import FOUND_MAX, Hashing
from kench.miner.job import Job
from kench.native import sha256d
from kench.pool.clock import SystemClock
from tests.support.waiting import await_that

WAIT_S = 20.0
EASY = 1 << 248  # one hash in 256 on average


def _job(name: str, target: int = EASY) -> Job:
    return Job(name, bytes(32), b"\1", b"\2", b"", 1, 0x207FFFFF, 1, bytes(4), 8, target)


@pytest.fixture
def hashing() -> Iterator[Hashing]:
    threads = Hashing(2, SystemClock(), lambda: None)
    threads.start()
    yield threads
    threads.stop()


def test_every_find_meets_the_target_and_none_comes_twice(hashing: Hashing) -> None:
    hashing.assign(_job("a"))
    found = [hashing.found.get(timeout=WAIT_S) for _ in range(200)]
    for one in found:
        header = one.job.header76(one.extranonce2) + one.nonce.to_bytes(4, "little")
        assert int.from_bytes(sha256d(header), "little") <= EASY
    assert len({(one.extranonce2, one.nonce) for one in found}) == len(found)
    assert hashing.hashes > 200


def test_two_threads_never_share_an_extranonce2(hashing: Hashing) -> None:
    hashing.assign(_job("a"))
    seen = {hashing.found.get(timeout=WAIT_S).extranonce2 for _ in range(1000)}
    assert len(seen) <= 2


def test_a_new_job_is_followed_though_nobody_takes_the_finds_of_the_old(hashing: Hashing) -> None:
    hashing.assign(_job("old"))
    await_that(hashing.found.full)
    hashing.assign(_job("new"))
    names = [hashing.found.get(timeout=WAIT_S).job.job_id for _ in range(FOUND_MAX + 8)]
    assert names[-1] == "new"


def test_each_find_is_announced() -> None:
    announced = threading.Event()
    threads = Hashing(1, SystemClock(), announced.set)
    threads.start()
    threads.assign(_job("a"))
    assert announced.wait(WAIT_S)
    threads.stop()


def test_stop_ends_the_threads_in_the_midst_of_a_hopeless_job(hashing: Hashing) -> None:
    hashing.assign(_job("hopeless", target=0))
    await_that(lambda: hashing.hashes)
    hashing.stop()
    assert not [one for one in threading.enumerate() if one.name.startswith("hashing-")]

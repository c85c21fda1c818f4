"""Bodies of blocks to be: there when a block is found, gone when no job needs them."""

import dataclasses
import threading
import time
from pathlib import Path

import pytest

from kench.native import JobTable, merkle_branches, merkle_root, sha256d
from kench.pool.clock import ManualClock, SystemClock
from kench.pool.job import Job
from kench.pool.rpc import Node
from kench.pool.template import Template
from kench.stratum import bodies
from kench.stratum.blocks import FoundBlocks
from kench.stratum.bodies import BodyFolder, BodyMissingError, body_path, whole_block
from kench.stratum.front import Found
from kench.stratum.maker.upstream import body_hex
from tests.support.fake_nodes import NodeThatSaysOfBlocks
from tests.support.jobs import Jobs, large_answer, large_template, small_template

WAIT_S = 20.0
OTHER_TIP = b"\x07" * 32


def large(prevhash_le: bytes | None = None) -> Template:
    template = large_template()
    return dataclasses.replace(template, prevhash_le=prevhash_le or template.prevhash_le)


def folder(path: Path, clock: ManualClock) -> BodyFolder:
    return BodyFolder(path, clock)


def keep(kept: BodyFolder, job: Job, body: bytes) -> None:
    """Keep a body and wait until that is done."""
    kept.keep(job, lambda: body)
    kept._thread.submit(lambda: None).result(WAIT_S)


class Maker:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.jobs = Jobs(JobTable(4), self.clock)

    def job(self, template: Template, body_key: int | None = None) -> Job:
        return self.jobs.maker.make(template, body_key)


def test_jobs_of_one_template_share_a_body(tmp_path: Path) -> None:
    maker = Maker()
    kept = folder(tmp_path, maker.clock)
    first = maker.job(large())
    keep(kept, first, b"aabb")
    again = maker.job(large(), first.facts.body_key)
    keep(kept, again, b"never asked for")
    assert [path.name for path in tmp_path.iterdir()] == [f"{first.key:x}"]
    for job in (first, again):
        assert whole_block(b"f0", tmp_path, job.facts, time.sleep, SystemClock()) == b"f0aabb"
    kept.stop()


def test_a_template_without_transactions_needs_no_file(tmp_path: Path) -> None:
    maker = Maker()
    kept = folder(tmp_path, maker.clock)
    job = maker.job(small_template())
    keep(kept, job, b"")
    assert list(tmp_path.iterdir()) == []
    assert whole_block(b"f0", tmp_path, job.facts, time.sleep, SystemClock()) == b"f0"
    kept.stop()


def test_bodies_of_a_tip_that_was_left_stay_for_its_late_shares_and_then_go(
    tmp_path: Path,
) -> None:
    maker = Maker()
    kept = folder(tmp_path, maker.clock)
    old, new = maker.job(large()), maker.job(large(OTHER_TIP))
    keep(kept, old, b"aa")
    keep(kept, new, b"bb")
    maker.clock.advance(bodies.OLD_TIP_S)
    keep(kept, maker.job(large(OTHER_TIP), new.key), b"bb")
    assert body_path(tmp_path, old.key).exists()
    maker.clock.advance(1)
    keep(kept, maker.job(large(OTHER_TIP), new.key), b"bb")
    assert [path.name for path in tmp_path.iterdir()] == [f"{new.key:x}"]
    kept.stop()


def test_a_body_of_the_current_tip_stays_as_long_as_its_jobs_are_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "JOBS_MAX", 3)
    maker = Maker()
    kept = folder(tmp_path, maker.clock)
    made = [maker.job(large()) for _ in range(5)]
    for job in made:
        maker.clock.advance(3600)
        keep(kept, job, b"aa")
    assert {path.name for path in tmp_path.iterdir()} == {f"{job.key:x}" for job in made[2:]}
    kept.stop()


def test_all_bodies_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODIES_BYTES_MAX", 10)
    maker = Maker()
    kept = folder(tmp_path, maker.clock)
    made = [maker.job(large()) for _ in range(4)]
    for job in made:
        keep(kept, job, b"aabbc")
    assert {path.name for path in tmp_path.iterdir()} == {f"{job.key:x}" for job in made[2:]}
    kept.stop()


def test_a_disk_that_refuses_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "WRITE_RETRY_S", 0.01)
    maker = Maker()
    kept = folder(tmp_path / "bodies", maker.clock)
    (tmp_path / "bodies").rmdir()
    job = maker.job(large())
    kept.keep(job, lambda: b"aa")
    (tmp_path / "bodies").mkdir()
    assert whole_block(b"f0", tmp_path / "bodies", job.facts, time.sleep, SystemClock()) == b"f0aa"
    kept.stop()


def test_a_front_waits_for_a_body_that_is_being_written_but_not_for_ever(tmp_path: Path) -> None:
    maker = Maker()
    job = maker.job(large())
    clock = ManualClock()
    with pytest.raises(BodyMissingError, match=f"{job.key:x}"):
        whole_block(b"f0", tmp_path, job.facts, clock.advance, clock)
    waited = threading.Event()

    def write_meanwhile(_seconds: float) -> None:
        body_path(tmp_path, job.key).write_text("cc")
        waited.set()

    assert whole_block(b"f0", tmp_path, job.facts, write_meanwhile, clock) == b"f0cc"
    assert waited.is_set()


def test_what_a_former_run_left_is_taken_away_when_it_is_old(tmp_path: Path) -> None:
    (tmp_path / "12ab").write_text("aa")
    kept = BodyFolder(tmp_path, SystemClock())
    assert (tmp_path / "12ab").exists()
    kept.stop()
    later = ManualClock(SystemClock().now_us() + 2 * round(bodies.STRAY_S * 1e6))
    BodyFolder(tmp_path, later).stop()
    assert list(tmp_path.iterdir()) == []


def test_a_found_block_reaches_the_node_whole(tmp_path: Path) -> None:
    maker = Maker()
    kept = BodyFolder(tmp_path / "bodies", maker.clock)
    job = maker.job(large())
    node = NodeThatSaysOfBlocks()
    node.results = [None]
    sent: list[str] = []
    accepted = threading.Event()

    def submitblock(block_hex: str) -> None:
        sent.append(block_hex)

    node.submitblock = submitblock  # type: ignore[method-assign, assignment]
    with node:
        blocks = FoundBlocks(
            [Node(node.url)], tmp_path / "blocks", tmp_path / "bodies", SystemClock(), accepted.set
        )
        blocks.start()
        share = bytes(4), bytes(8)
        header = job.prepared.header(*share, job.archived.ntime, 0, job.archived.version)
        found = Found(job, header, sha256d(header), *share, 1, 1)
        blocks.send(found)  # before its body is there
        kept.keep(job, lambda: body_hex(large()))
        assert accepted.wait(WAIT_S)
        blocks.stop()
    kept.stop()
    block = bytes.fromhex(sent[0])
    raws = [bytes.fromhex(one["data"]) for one in large_answer()["transactions"]]
    assert block.startswith(header)
    assert block.endswith(b"".join(raws))
    assert block[80:83] == b"\xfd" + (len(raws) + 1).to_bytes(2, "little")
    txids = b"".join(bytes.fromhex(one["txid"])[::-1] for one in large_answer()["transactions"])
    stripped = job.archived.coinb1 + bytes(12) + job.archived.coinb2
    assert header[36:68] == merkle_root(sha256d(stripped), merkle_branches(txids))

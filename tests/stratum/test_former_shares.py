"""What an extranonce1 earned elsewhere is read from that front's journal, all of it and once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kench import native
from kench.native import RECORD_SIZE
from kench.pool.journal.mark import DurableMark, Mark
from kench.pool.journal.segment import OpenSegment, digest_before
from kench.stratum import former_shares
from kench.stratum.former_shares import FormerShares, TooManySharesError
from tests.support.sessions import Miner, Pool

HOLDERS = [(7, 1)]


class Former:
    """A front with a journal, and the miner that comes back from it."""

    def __init__(self, folder: Path) -> None:
        self.pool = Pool()
        self.folder = folder
        self.segment = OpenSegment.create(self._directory(), 7, 0, 0)
        self.mark = DurableMark(self._directory())

    def _directory(self) -> Path:
        directory = self.folder / "7"
        directory.mkdir(exist_ok=True)
        return directory

    def write(self, *, synced: bool = True) -> None:
        """Journal what was accepted since."""
        records = self.pool.taken()
        self.segment.append(b"", records.tobytes())
        if synced:
            self.mark.set(Mark(self.segment.next_sequence, 0))

    def rotate(self) -> None:
        self.segment.seal(digest_before(self.segment.path))
        self.segment.close()
        self.segment = OpenSegment.create(
            self._directory(), 7, self.segment.next_sequence, 0
        )  # fmt: skip

    def jobs(self) -> dict[int, native.Job]:
        return {self.pool.job.key: self.pool.job.prepared}

    def mine(self, miner: Miner, count: int, *, synced: bool = True) -> list[list[str]]:
        shares = [miner.share() for _ in range(count)]
        assert all(miner.submit(share)["result"] is True for share in shares)
        self.write(synced=synced)
        return shares


@pytest.fixture
def former(tmp_path: Path) -> Iterator[Former]:
    made = Former(tmp_path)
    yield made
    made.segment.close()
    made.mark.close()


def header_hashes(shares: list[list[str]], former: Former, miner: Miner) -> set[tuple[int, bytes]]:
    job = former.pool.job
    return {
        (
            job.key,
            native.sha256d(
                job.prepared.header(
                    miner.extranonce1, bytes.fromhex(xn2), int(time, 16), int(nonce, 16), version
                )
            ),
        )
        for _, _, xn2, time, nonce in shares
        for version in [job.archived.version]
    }


def test_only_the_shares_of_that_value_are_found_over_segments_and_as_they_come(
    former: Former,
) -> None:
    one, other = former.pool.miner().login(), former.pool.miner().login()
    reader = FormerShares(former.folder)
    shares = former.mine(one, 3)
    former.mine(other, 5)
    found = reader.hashes(one.extranonce1, HOLDERS, former.jobs())
    assert set(found) == header_hashes(shares, former, one)
    former.rotate()
    former.mine(other, 1)
    shares += former.mine(one, 2)
    found = reader.hashes(one.extranonce1, HOLDERS, former.jobs())
    assert len(found) == 5
    assert set(found) == header_hashes(shares, former, one)
    assert FormerShares(former.folder).hashes(b"\xff" * 4, HOLDERS, former.jobs()) == []


@pytest.mark.rule("A2.7", "A8.5")
def test_a_share_that_the_former_front_accepted_is_a_duplicate_here(former: Former) -> None:
    before = former.pool.miner().login()
    shares = former.mine(before, 2)
    here = Pool()
    here.jobs.add(former.pool.template)
    key, job = former.pool.job.key, former.pool.job.prepared
    table = native.JobTable(16)
    table.add(job)
    assert all(
        table.remember(*found)
        for found in FormerShares(former.folder).hashes(before.extranonce1, HOLDERS, {key: job})
    )
    gate = native.Gate(table, native.RecordBuffer(10, 0), before.extranonce1)
    gate.allow(b"1.w1", 1, 11)
    gate.set_difficulty(1e-9, b"\xff" * 32, 0)
    verdicts = [
        gate.submit(*(field.encode() for field in share), None, before.pool.clock.now_us())
        for share in (*shares, before.share())
    ]
    assert [int(verdict) for verdict in verdicts] == [
        native.Verdict.DUPLICATE,
        native.Verdict.DUPLICATE,
        native.Verdict.ACCEPTED,
    ]


def test_what_was_written_and_not_synced_counts_but_half_a_record_does_not(
    former: Former,
) -> None:
    miner = former.pool.miner().login()
    shares = former.mine(miner, 2) + former.mine(miner, 1, synced=False)
    with former.segment.path.open("ab") as file:
        file.write(b"\x01" * (RECORD_SIZE - 1))
    found = FormerShares(former.folder).hashes(miner.extranonce1, HOLDERS, former.jobs())
    assert set(found) == header_hashes(shares, former, miner)


def test_a_successor_that_cut_the_tail_is_read_anew(former: Former) -> None:
    miner = former.pool.miner().login()
    former.mine(miner, 2)
    torn = former.segment.path.stat().st_size
    with former.segment.path.open("ab") as file:
        file.write(b"\xff" * RECORD_SIZE)  # whole by its size, and cut by who opens it again
    reader = FormerShares(former.folder)
    reader.hashes(miner.extranonce1, HOLDERS, former.jobs())
    with former.segment.path.open("r+b") as file:
        file.truncate(torn)
    shares = former.mine(miner, 1)
    found = reader.hashes(miner.extranonce1, [(7, 2)], former.jobs())
    assert header_hashes(shares, former, miner) < set(found)
    assert len(found) == 3


def test_old_shares_are_not_read_and_too_many_are_refused(
    former: Former, monkeypatch: pytest.MonkeyPatch
) -> None:
    miner = former.pool.miner().login()
    former.mine(miner, 3)
    former.rotate()
    former.pool.clock.advance(1000)
    former.pool.new_job()
    miner.give(clean=True)
    shares = former.mine(miner, 2)
    monkeypatch.setattr(former_shares, "PIECE_RECORDS", 1)
    monkeypatch.setattr(former_shares, "RECORDS_MAX", 1)
    found = FormerShares(former.folder).hashes(miner.extranonce1, HOLDERS, former.jobs())
    assert set(found) == header_hashes(shares, former, miner)
    monkeypatch.setattr(former_shares, "RECORDS_MAX", 0)
    with pytest.raises(TooManySharesError, match="front 7"):
        FormerShares(former.folder).hashes(miner.extranonce1, HOLDERS, former.jobs())


def test_a_front_without_a_journal_earned_nothing(tmp_path: Path) -> None:
    job = Pool().job
    assert FormerShares(tmp_path).hashes(b"\1\0\0\0", HOLDERS, {job.key: job.prepared}) == []

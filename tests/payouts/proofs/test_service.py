"""Each pended block gets its manifest, from the journals and the books, once and for all."""

import hashlib

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from kench.commands.status import manifests_words
from kench.payouts import ledger
from kench.payouts.proofs.making import (
    NoManifestError,
    Source,
    make_manifest,
    read_kept,
    read_tree,
)
from kench.payouts.proofs.manifest import Manifest, SignedManifest
from kench.payouts.proofs.segments import SegmentDigester
from kench.pool.clock import ManualClock
from kench.pool.journal.format import HEADER_SIZE, SegmentDigest, digest_path, jobs_path
from kench.pool.journal.reader import JournalReader
from kench.pool.orders.book import OrderBook
from tests.payouts.journals import START_US
from tests.payouts.proofs.pools import PARTICIPANTS, REWARD_SAT, ProvenPool
from tests.payouts.proofs.samples import KEY


def kept(pool: ProvenPool, block_hash: str) -> SignedManifest:
    with pool.engine.connect() as connection:
        return read_kept(connection, block_hash).signed


def manifest_of(pool: ProvenPool, block_hash: str) -> Manifest:
    return kept(pool, block_hash).manifest


def test_a_manifest_says_what_was_booked_and_is_signed(pool: ProvenPool) -> None:
    block_hash = pool.round(101)
    pool.settle()
    assert pool.maker.turn() == 1
    signed = kept(pool, block_hash)
    signed.check()
    manifest = signed.manifest
    assert manifest.key == KEY.public
    assert (manifest.block.hash, manifest.block.height) == (block_hash, 101)
    assert (manifest.reward.method, manifest.reward.reward_sat) == ("round", REWARD_SAT)
    assert manifest.root.participants == PARTICIPANTS
    assert manifest.root.reward_sat == REWARD_SAT
    with pool.engine.connect() as connection:
        work = connection.execute(sa.text("SELECT sum(work_hashes) FROM block_credits")).scalar()
    assert manifest.root.work_hashes == work


def test_windows_follow_each_other_over_all_journals_and_hold_every_share_once(
    pool: ProvenPool,
) -> None:
    for height in range(101, 106):
        pool.round(height, shares=height - 98)
        if height % 2:
            pool.rotate()
    pool.settle()
    assert pool.maker.turn() == 5
    before = {0: 0, 1: 0}
    for block_hash in pool.block_hashes:
        bounds = manifest_of(pool, block_hash).bounds()
        assert {number: start for number, (start, _) in bounds.items()} == before
        before = {number: end for number, (_, end) in bounds.items()}
    # The last block is in journal 1, its neighbour of that microsecond in journal 0: before it.
    assert before == {0: len(pool.journals[0].records), 1: len(pool.journals[1].records)}
    second = manifest_of(pool, pool.block_hashes[1])
    # This one is in journal 0, and its neighbour in journal 1 comes after it.
    assert second.block.instance == 0
    assert second.bounds()[1][1] == manifest_of(pool, pool.block_hashes[2]).bounds()[1][0]
    assert int(pool.journals[1].records[second.bounds()[1][1]]["time_us"]) == second.block.found_us


def test_segments_are_digested_as_the_files_are_and_the_last_up_to_the_end(
    pool: ProvenPool,
) -> None:
    pool.round(101)
    pool.rotate()
    pool.rotate()  # empty ones, too
    block_hash = pool.round(102)
    behind = pool.round(103)
    pool.settle()
    pool.maker.turn()
    assert manifest_of(pool, behind)
    for journal in manifest_of(pool, block_hash).journals:
        files = JournalReader(pool.root / str(journal.instance)).segments()
        last = files[-1].path
        *closed, cut = journal.segments
        for one in closed:
            path = next(file.path for file in files if file.first_sequence == one.first_sequence)
            assert one == SegmentDigest.read(digest_path(path))
        raw = last.read_bytes()[: HEADER_SIZE + 72 * cut.records]
        assert hashlib.sha256(raw).hexdigest() == cut.shares_sha256
        jobs = jobs_path(last).read_bytes().splitlines(keepends=True)
        assert hashlib.sha256(jobs[0]).hexdigest() == cut.jobs_sha256
        assert len(jobs) == 2


def test_what_was_made_while_a_segment_was_open_is_the_same_when_it_is_closed(
    pool: ProvenPool,
) -> None:
    block_hash = pool.round(101)
    pool.settle()
    pool.maker.turn()
    pool.round(102)
    pool.rotate()
    with pool.engine.connect() as connection:
        before = read_kept(connection, block_hash)
        source = Source(connection, pool.root, SegmentDigester(), OrderBook())
        again = make_manifest(source, block_hash, key=KEY.public, salt_source=before.salt_source)
    assert again.content() == before.signed.manifest.content()


def test_a_refused_candidate_has_a_manifest_only_when_its_reward_is_pended(
    pool: ProvenPool,
) -> None:
    refused = pool.round(101, uncredited=True)
    after = pool.round(102)
    pool.settle()
    assert pool.maker.turn() == 1
    # A refused candidate closes no round.
    assert {start for start, _ in manifest_of(pool, after).bounds().values()} == {0}
    with pool.engine.begin() as connection:
        ledger.pend(connection, refused, 1)
    assert pool.maker.turn() == 1
    assert not manifest_of(pool, refused).block.credited


def test_a_block_whose_journal_cannot_be_read_keeps_no_other_waiting(pool: ProvenPool) -> None:
    pool.round(101)
    pool.rotate()
    second = pool.round(102)
    pool.settle()
    first_segment = JournalReader(pool.root / "1").segments()[0].path
    away = first_segment.rename(first_segment.with_suffix(".away"))
    clock = ManualClock(START_US)
    pool.maker._clock = clock
    assert pool.maker.turn() == 1
    assert manifest_of(pool, second)
    away.rename(first_segment)
    assert pool.maker.turn() == 0
    clock.advance(60)
    assert pool.maker.turn() == 1


def test_a_block_that_postgresql_refuses_keeps_no_other_waiting(pool: ProvenPool) -> None:
    first, second = pool.round(101), pool.round(102)
    pool.settle()
    with pool.engine.begin() as connection:
        connection.execute(
            sa.text(f"ALTER TABLE manifests ADD CONSTRAINT refusal CHECK (block_hash <> '{first}')")
        )
    assert pool.maker.turn() == 1
    assert manifest_of(pool, second)


def _status(pool: ProvenPool, seconds_later: int = 0) -> tuple[dict[str, int], str]:
    """What status has of manifests, so much later, and its words."""
    with pool.engine.connect() as connection, connection.begin() as changes:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            sa.text("UPDATE transfers SET created_at = created_at - make_interval(secs => :s)"),
            {"s": seconds_later},
        )
        progress = connection.execute(sa.text("SELECT * FROM settlement_progress")).one()
        changes.rollback()
    found = {
        "waiting": progress.manifests_waiting,
        "waiting_s": round(progress.manifests_waiting_s),
    }
    return found, str(manifests_words(found))


def test_a_block_that_is_not_signed_is_counted_and_named_when_it_is_late(pool: ProvenPool) -> None:
    pool.round(101)
    pool.round(102, uncredited=True)
    pool.settle()
    found, words = _status(pool)
    assert (found["waiting"], words) == (1, "None")
    found, words = _status(pool, 3600)
    assert found["waiting_s"] >= 3600
    assert words.startswith("LATE: 1 blocks not signed, the first for 36")
    pool.maker.turn()
    assert _status(pool, 3600) == ({"waiting": 0, "waiting_s": 0}, "None")


def test_what_was_booked_before_spans_were_kept_is_passed_over(pool: ProvenPool) -> None:
    first = pool.round(101)
    second = pool.round(102)
    pool.settle()
    with pool.engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        connection.execute(
            sa.text("UPDATE block_spans SET from_sequence = NULL WHERE block_hash = :hash"),
            {"hash": first},
        )
    assert pool.maker.turn() == 1
    assert manifest_of(pool, second)
    with pool.engine.connect() as connection:
        source = Source(connection, pool.root, SegmentDigester(), OrderBook())
        with pytest.raises(NoManifestError, match="it has none"):
            make_manifest(source, first, key=KEY.public, salt_source=bytes(32))


def test_books_made_anew_from_the_journals_have_the_same_manifests(pool: ProvenPool) -> None:
    block_hash = pool.round(101)
    pool.settle()
    pool.maker.turn()
    before = kept(pool, block_hash)
    with pool.engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        connection.execute(sa.text("DELETE FROM manifests"))
    pool.maker.turn()
    assert kept(pool, block_hash) == before


def test_nobody_can_change_what_was_signed(pool: ProvenPool) -> None:
    pool.round(101)
    pool.settle()
    pool.maker.turn()
    for statement in (
        "DELETE FROM manifests",
        "TRUNCATE manifests",
        "UPDATE manifests SET content = '{}'",
    ):
        with pytest.raises(DBAPIError, match="append-only"), pool.engine.begin() as connection:
            connection.execute(sa.text(statement))
        with pytest.raises(DBAPIError), pool.settle_engine.begin() as connection:
            connection.execute(sa.text(statement))


def test_a_tree_without_its_journal_is_that_of_the_books(pool: ProvenPool) -> None:
    block_hash = pool.round(101)
    pool.settle()
    pool.maker.turn()
    away = (pool.root / "0").rename(pool.root / "away")
    with pool.engine.connect() as connection:
        found = read_kept(connection, block_hash)
        tree = read_tree(connection, block_hash, found.salt_source)
    assert tree.root() == found.signed.manifest.root
    away.rename(pool.root / "0")

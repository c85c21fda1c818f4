"""The audit finds nothing in true books, and each thing that was changed in false ones."""

import copy
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from kench.native import crc32
from kench.payouts.audit.report import DIFFERENCES_KEPT_MAX, Report
from kench.payouts.audit.run import audit
from kench.payouts.follow import ChainWatch, act, read_followed
from kench.payouts.settle import Settlement
from kench.pool.address import address_of
from kench.pool.clock import SystemClock
from kench.pool.database import open_engine
from kench.pool.journal.format import SHARE, Flag
from kench.pool.journal.reader import JournalReader
from kench.pool.orders.book import OrderBook
from tests.conftest import execute, url_of_database
from tests.payouts.chains import ScriptedChain
from tests.payouts.journals import SCRIPT, START_US, JournalBuilder
from tests.support.orders import LICENCE, REGTEST, book_of

MATURITY = 6


@dataclass
class Pool:
    """A small pool at rest: a settled journal of three segments, and its chain."""

    engine: sa.Engine
    root: Path
    directory: Path
    chain: ScriptedChain
    journal: JournalBuilder | None = None

    def settle(self) -> None:
        """Settle and follow until nothing is due."""
        watch = ChainWatch(self.chain, MATURITY)
        settlement = Settlement(self.root, SystemClock(), chunk_records=11)
        with self.engine.connect() as connection:
            while settlement.settle_chunk(connection).records:
                pass
            for _ in range(20):
                with connection.begin():
                    followed = read_followed(connection)
                findings = watch.look(followed)
                if not findings:
                    return
                act(connection, findings)
        raise AssertionError("following does not come to an end")

    def audit(self, *falsehoods: str, orders: OrderBook | None = None) -> Report:
        """Audit the books; `falsehoods` are put in before and taken out after.

        They are what one can do who owns the database and puts its guards to sleep.
        """
        with (
            self.engine.connect().execution_options(isolation_level="REPEATABLE READ") as opened,
            opened.begin() as transaction,
        ):
            opened.execute(sa.text("SET LOCAL session_replication_role = replica"))
            for statement in falsehoods:
                assert opened.execute(sa.text(statement)).rowcount
            report = audit(
                opened, self.root, lambda: self.chain, MATURITY, lambda *_: None, orders=orders
            )
            transaction.rollback()
        return report

    def rewrite_share(self, sequence: int, *, mend_crc: bool = True, **values: object) -> None:
        """Change a share on disk, and its checksum with it."""
        for segment in JournalReader(self.directory).segments():
            position = sequence - segment.first_sequence
            if 0 <= position < segment.records:
                raw = bytearray(segment.path.read_bytes())
                record = np.frombuffer(raw, SHARE, count=1, offset=64 + 72 * position)
                for name, value in values.items():
                    record[name] = value
                if mend_crc:
                    record["crc32"] = crc32(record.tobytes()[4:])
                segment.path.write_bytes(raw)


def build_pool(engine: sa.Engine, tmp_path: Path) -> Pool:
    """Blocks of every fate: mature, pending, orphaned, voided and back, refused and standing."""
    journal = JournalBuilder(tmp_path / "journal" / "0")
    pool = Pool(engine, tmp_path / "journal", journal.directory, ScriptedChain(), journal)
    for height in range(1, 11):
        job = journal.job(height, height, branches=height % 3, reward_sat=5_000_000_001)
        for index in range(5):
            journal.share(job, participant=1 + index % 3, worker=10 + index % 2)
        winner = journal.share(job, participant=2, worker=20, block=True, uncredited=height == 3)
        if height in {2, 7}:
            journal.rotate()
        journal.flush()
        pool.chain.mine(hashes=[job.block_hash(winner)])
        if height == 9:
            pool.chain.reorganise(1)
            del pool.chain.best[-1]
        if height == 8:
            fallen = pool.chain.reorganise(1)
            pool.settle()
            del pool.chain.best[height:]
            pool.chain.mine(hashes=fallen)
        pool.settle()
    journal.share(job, participant=9)
    journal.flush()
    pool.settle()
    return pool


@pytest.fixture(scope="module")
def still(
    postgres_url: str, template_name: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pool]:
    """A pool that all tests of this module share; none of them may change it for good."""
    name = f"kench_audit_{os.getpid()}"
    execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template_name}")
    engine = open_engine(url_of_database(postgres_url, name), application_name="test audit")
    yield build_pool(engine, tmp_path_factory.mktemp("audit"))
    engine.dispose()
    execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def pool(still: Pool, tmp_path: Path) -> Pool:
    """The same books with a journal and a chain that a test may spoil."""
    shutil.copytree(still.root, tmp_path / "journal")
    return Pool(
        still.engine, tmp_path / "journal", tmp_path / "journal" / "0", copy.deepcopy(still.chain)
    )


@pytest.fixture
def own_pool(engine: sa.Engine, tmp_path: Path) -> Pool:
    """A pool whose books a test may change too."""
    return build_pool(engine, tmp_path)


def test_true_books_have_no_difference(pool: Pool) -> None:
    report = pool.audit()
    assert report.differences == []
    assert (report.shares, report.blocks, report.waiting_blocks) == (61, 10, 0)
    with pool.engine.connect() as connection:
        states = dict(
            connection.execute(sa.text("SELECT state, count(*) FROM blocks GROUP BY state")).all()
        )
        counted = connection.execute(sa.text("SELECT count(*) FROM transfers")).scalar_one()
        attempts = connection.execute(sa.text("SELECT max(attempts) FROM blocks")).scalar_one()
    assert states == {"mature": 5, "pending": 4, "orphaned": 1}
    assert attempts == 2
    assert report.transfers == counted > 30


def test_an_empty_pool_has_no_difference_and_needs_no_chain(
    engine: sa.Engine, tmp_path: Path
) -> None:
    def no_chain() -> ScriptedChain:
        raise AssertionError("nobody needs a chain here")

    with engine.begin() as connection:
        report = audit(connection, tmp_path / "journal", no_chain, 100, lambda *_: None)
    assert report.is_clean


FALSIFIED = {
    "a total's shares": ("UPDATE totals SET accepted = accepted + 1 WHERE worker_id = 20", "total"),
    "a total's work": ("UPDATE totals SET work_hashes = work_hashes + 1", "total"),
    "a total gone": ("DELETE FROM totals WHERE participant_id = 9", "total"),
    "a total more": ("INSERT INTO totals VALUES (77, 1, 1, 1)", "(77, 1)"),
    "an open round": ("UPDATE open_round SET work_hashes = work_hashes + 1", "open round"),
    "an open round of another": ("INSERT INTO open_round VALUES (5, 5)", "participant 5"),
    "a position back": ("UPDATE journal_positions SET next_sequence = 60", "total"),
    "a position ahead": ("UPDATE journal_positions SET next_sequence = 62", "holds 61 shares"),
    "a position's checksum": ("UPDATE journal_positions SET last_crc32 = 1", "checksum"),
    "a credit's satoshi": (
        "UPDATE block_credits SET reward_sat = reward_sat + 1 WHERE participant_id = 1",
        "credit",
    ),
    "a credit's work": ("UPDATE block_credits SET work_hashes = 1", "credit"),
    "a credit of nobody": (
        "INSERT INTO block_credits SELECT hash, 55, 1, 0 FROM blocks WHERE height = 4",
        "participant 55",
    ),
    "a credit of no block": (
        "INSERT INTO block_credits VALUES (repeat('cd', 32), 1, 1, 1)",
        "rows in block_credits",
    ),
    "a transfer's amount": (
        "UPDATE transfers SET amount = amount + 1 WHERE kind = 'post'",
        "is altered",
    ),
    "a transfer's payee": (
        (
            "UPDATE transfers SET credit_account = 'unassigned' "
            "WHERE credit_account = 'participant:2' AND kind = 'void'"
        ),
        "is altered",
    ),
    "a missing post": (
        "DELETE FROM transfers WHERE id = (SELECT id FROM transfers WHERE kind = 'post' LIMIT 1)",
        "is missing",
    ),
    "an extra transfer": (
        (
            "INSERT INTO transfers (id, kind, debit_account, credit_account, amount, asset, "
            "subject, reference, block_hash, attempt) SELECT sha256(id), 'pend', debit_account, "
            "'unassigned', 1, asset, subject, reference, block_hash, 1 FROM transfers "
            "WHERE kind = 'pend' LIMIT 1"
        ),
        "is not due",
    ),
    "a transfer of no block": (
        (
            "INSERT INTO transfers (id, kind, debit_account, credit_account, amount, asset, "
            "subject, reference, block_hash, attempt) VALUES (sha256('x'), 'pend', 'coinbase', "
            "'participant:1', 5, 'BTC', 'block', repeat('cd', 32), repeat('cd', 32), 1)"
        ),
        "rows in transfers of blocks",
    ),
    "a balance": (
        "UPDATE accounts SET credits_posted = credits_posted + 1 WHERE participant_id = 1",
        "participant:1",
    ),
    "both sides of a balance": (
        (
            "UPDATE accounts SET credits_posted = credits_posted + 1, "
            "debits_posted = debits_posted + 1 WHERE participant_id = 1"
        ),
        "participant:1",
    ),
    "a block's reward": ("UPDATE blocks SET reward_sat = reward_sat + 1", "reward_sat"),
    "a block's height": ("UPDATE blocks SET height = 99 WHERE height = 4", "height"),
    "a block's finder": ("UPDATE blocks SET finder = '1.x' WHERE height = 4", "finder"),
    "a block's time": ("UPDATE blocks SET found_at = now() WHERE height = 4", "found_at"),
    "a block gone": ("DELETE FROM blocks WHERE height = 4", "not booked"),
    "a block more": (
        (
            "INSERT INTO blocks SELECT repeat('cd', 32), height, 3, sequence, job_key, reward_sat, "
            "finder, found_at, credited, 'orphaned' FROM blocks WHERE height = 4"
        ),
        "in no journal",
    ),
    "a state": ("UPDATE blocks SET state = 'mature' WHERE height = 10", "mature in the books"),
    "an attempt": ("UPDATE blocks SET attempts = attempts + 1 WHERE height = 10", "is missing"),
    "an orphan let go that stands": (
        "UPDATE blocks SET state = 'orphaned', followed = false WHERE height = 10",
        "followed no more",
    ),
}


@pytest.mark.parametrize(("statement", "words"), FALSIFIED.values(), ids=FALSIFIED.keys())
def test_each_falsified_row_is_found(pool: Pool, statement: str, words: str) -> None:
    report = pool.audit(statement)
    assert any(words in difference for difference in report.differences), report.differences


def first_of(pool: Pool, flags: int) -> int:
    records = JournalReader(pool.directory).read(0, 100)
    return int(records["sequence"][records["flags"] == flags][0])


REWRITTEN: dict[str, tuple[Callable[[Pool], dict[str, object]], str]] = {
    "a nonce": (lambda _: {"sequence": 0, "nonce": 7_000_001, "difficulty": 2.0**20}, "meet its"),
    "a difficulty": (lambda _: {"sequence": 0, "difficulty": 1e9}, "does not meet"),
    "no difficulty": (lambda _: {"sequence": 0, "difficulty": -1.0}, "a difficulty that is none"),
    "a block flag": (lambda _: {"sequence": 0, "flags": Flag.BLOCK}, "is none"),
    "a block hidden": (
        lambda pool: {"sequence": first_of(pool, Flag.BLOCK), "flags": 0},
        "not flagged as one",
    ),
    "a refusal of no block": (lambda _: {"sequence": 0, "flags": Flag.UNCREDITED}, "neither"),
    "a flag unheard of": (lambda _: {"sequence": 0, "flags": 8}, "nobody knows"),
    "nobody's": (lambda _: {"sequence": 0, "participant": 0}, "credited to nobody"),
    "another's": (lambda _: {"sequence": 0, "participant": 3}, "total"),
    "a job unheard of": (lambda _: {"sequence": 0, "job_key": 999}, "no archive"),
}


@pytest.mark.parametrize(("values", "words"), REWRITTEN.values(), ids=REWRITTEN.keys())
def test_each_share_rewritten_with_its_checksum_is_found(
    pool: Pool, values: Callable[[Pool], dict[str, object]], words: str
) -> None:
    changed = values(pool)
    sequence = changed.pop("sequence")
    assert isinstance(sequence, int)
    pool.rewrite_share(sequence, **changed)
    report = pool.audit()
    assert any(words in difference for difference in report.differences), report.differences


def test_a_flipped_bit_of_any_field_of_a_share_is_found(pool: Pool) -> None:
    pool.rewrite_share(40, mend_crc=False, nonce=123_456_789)
    report = pool.audit()
    assert any("share 40" in difference for difference in report.differences)


def test_a_share_rewritten_in_a_closed_segment_breaks_its_digest(pool: Pool) -> None:
    pool.rewrite_share(1, time_us=5)
    assert any("shares_sha256" in difference for difference in pool.audit().differences)


def test_a_share_credited_twice_is_found(own_pool: Pool) -> None:
    assert own_pool.journal is not None
    own_pool.journal.append(own_pool.journal.records[-1].copy())
    own_pool.journal.flush()
    own_pool.settle()
    assert any("credited before" in difference for difference in own_pool.audit().differences)


def test_a_digest_exchanged_together_with_its_segment_breaks_the_chain(pool: Pool) -> None:
    pool.rewrite_share(1, time_us=5)
    first = min(pool.directory.glob("*.digest"))
    stated = json.loads(first.read_text())
    assert any(str(first) in difference for difference in pool.audit().differences)
    first.unlink()
    assert any("missing" in difference for difference in pool.audit().differences)
    stated["digest"] = "00" * 32
    first.write_text(json.dumps(stated))
    assert any("own digest" in difference for difference in pool.audit().differences)


def test_a_job_that_pays_another_sum_than_is_split_is_found(pool: Pool) -> None:
    path = max(pool.directory.glob("*.jobs"))
    path.write_text(path.read_text().replace('"reward_sat":5000000001', '"reward_sat":5000000000'))
    assert any("its coinbase" in difference for difference in pool.audit().differences)


def venues_order(height: int, *scripts: bytes) -> tuple[int, dict[str, object]]:
    """Approve a venue for each script."""
    names = [f"venue{number}" for number in range(len(scripts))]
    venues = [{"venue": name, "address": address_of(script, REGTEST), "weight": 1}
              for name, script in zip(names, scripts, strict=True)]  # fmt: skip
    return height, {"venues": venues, "licences": [{**LICENCE, "venue": name} for name in names]}


STRANGER = SCRIPT[:-1] + b"\xff"


def test_jobs_that_pay_whom_orders_approve_are_no_difference(pool: Pool) -> None:
    assert pool.audit(orders=book_of(venues_order(1, SCRIPT))).differences == []


@pytest.mark.parametrize(
    ("orders", "heights", "words"),
    [
        ([(5, [STRANGER])], range(5, 11), "which no approved venue has"),
        ([(3, [SCRIPT]), (9, [STRANGER])], range(9, 11), "which no approved venue has"),
        ([(8, [SCRIPT, STRANGER])], range(8, 11), "leaves out an approved venue"),
        ([(11, [STRANGER])], range(0), ""),
    ],
)
def test_jobs_that_pay_others_than_orders_approve_are_found_but_for_those_before_any(
    pool: Pool, orders: list[tuple[int, list[bytes]]], heights: range, words: str
) -> None:
    book = book_of(*(venues_order(height, *scripts) for height, scripts in orders))
    found = pool.audit(orders=book).differences
    assert len(found) == len(heights)
    for height, difference in zip(heights, found, strict=True):
        assert f"at height {height}, under order {len(orders)}: its coinbase" in difference
        assert words in difference


def test_a_job_that_was_rewritten_to_pay_somebody_else_is_found(pool: Pool) -> None:
    path = max(pool.directory.glob("*.jobs"))
    path.write_text(path.read_text().replace(SCRIPT.hex(), STRANGER.hex()))
    found = pool.audit(orders=book_of(venues_order(1, SCRIPT))).differences
    assert any(f"pays script {STRANGER.hex()}" in difference for difference in found), found


def test_a_missing_segment_is_found(pool: Pool) -> None:
    sorted(pool.directory.glob("*.shares"))[1].unlink()
    assert any("missing" in difference for difference in pool.audit().differences)


def test_a_journal_gone_altogether_is_found(pool: Pool) -> None:
    for path in pool.directory.iterdir():
        path.unlink()
    assert any("holds 0 shares" in difference for difference in pool.audit().differences)


def test_what_settlement_has_yet_to_do_is_no_difference(own_pool: Pool) -> None:
    assert own_pool.journal is not None
    own_pool.journal.share(own_pool.journal.job(11, 11), participant=1)
    own_pool.journal.flush()
    own_pool.chain.mine(MATURITY)
    report = own_pool.audit()
    assert report.differences == []
    assert report.unsettled_shares == 1
    assert report.waiting_blocks == 4


def test_a_mature_block_off_the_chain_is_a_difference(pool: Pool) -> None:
    pool.chain.reorganise(9)
    differences = pool.audit().differences
    assert sum("off the best chain" in difference for difference in differences) == 4


def test_only_so_many_differences_are_kept_in_words() -> None:
    report = Report()
    for number in range(DIFFERENCES_KEPT_MAX + 5):
        report.compare("a number", number, -1)
    assert len(report.differences) == DIFFERENCES_KEPT_MAX
    assert report.differences_count == DIFFERENCES_KEPT_MAX + 5
    assert not report.is_clean


def add_journal(pool: Pool) -> JournalBuilder:
    """A second journal on the job of the first journal's last shares, and a share settled of it."""
    assert pool.journal is not None
    second = JournalBuilder(pool.root / "4", 4, seed=4)
    job = pool.journal.jobs[10]
    second.jobs[10] = job
    second._pending_jobs += job.line()
    second.share(job, participant=7, time_us=START_US + 1000)
    second.flush(START_US + 5000)
    pool.journal.share(job, participant=8, time_us=START_US + 2000)
    pool.journal.flush(START_US + 5000)
    pool.settle()
    return second


def test_several_journals_are_walked_as_one(own_pool: Pool) -> None:
    second = add_journal(own_pool)
    report = own_pool.audit()
    assert report.differences == []
    assert (report.shares, report.blocks) == (63, 10)
    second.share(second.jobs[10], participant=7, time_us=START_US + 6000)
    second.close()
    assert own_pool.audit().unsettled_shares == 1


def test_a_repeat_in_a_second_journal_is_no_difference_and_its_credit_would_be(
    own_pool: Pool,
) -> None:
    second = add_journal(own_pool)
    assert own_pool.journal is not None
    repeat = own_pool.journal.records[-1].copy()
    repeat["time_us"] = START_US + 5500
    second.append(repeat)
    second.flush(START_US + 6000)
    own_pool.journal.flush(START_US + 6000)
    own_pool.settle()
    report = own_pool.audit()
    assert report.differences == []
    assert report.shares == 64
    credited = own_pool.audit(
        "UPDATE totals SET accepted = accepted + 1 WHERE participant_id = 8",
        "UPDATE journal_positions SET repeats = 0 WHERE instance = 4",
    ).differences
    assert any(words.startswith("total (shares, work)") for words in credited)
    assert any(
        words == "number of repeats of journal 4 is 0, and should be 1" for words in credited
    )
    second.close()


def test_a_share_before_the_one_before_it_is_found(own_pool: Pool) -> None:
    assert own_pool.journal is not None
    own_pool.journal.share(own_pool.journal.jobs[10], time_us=START_US - 5)
    own_pool.journal.flush(START_US + 9000)
    own_pool.settle()
    (difference,) = own_pool.audit().differences
    assert "share 61 of journal 0 is before the share before it in time" in difference


def test_a_broken_journal_ends_the_walk_of_all_and_is_named(own_pool: Pool) -> None:
    second = add_journal(own_pool)
    own_pool.rewrite_share(40, mend_crc=False, nonce=1)
    report = own_pool.audit()
    assert any("journal 0 cannot be read on" in words for words in report.differences)
    assert any("were not compared" in words for words in report.differences)
    second.close()

"""One audit from beginning to end, on one snapshot of the database."""

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.payouts import tables
from kench.payouts.audit.books import BooksAudit
from kench.payouts.audit.invariants import differences, recompute
from kench.payouts.audit.manifests import ManifestsAudit
from kench.payouts.audit.report import Progress, Report
from kench.payouts.audit.stand import compare_with_chain
from kench.payouts.audit.walk import Walk
from kench.payouts.follow import Chain
from kench.payouts.look_back import LookBack
from kench.payouts.open_work import OpenWork, by_day
from kench.payouts.proofs.making import Source
from kench.payouts.proofs.segments import SegmentDigester
from kench.payouts.resumed import Repeats, between, sequences_at, uncredit
from kench.payouts.rounds import Sources, fold
from kench.pool.journal.reader import JournalReader
from kench.pool.orders.book import OrderBook


def audit(  # noqa: PLR0913 - what there is to compare
    connection: sa.Connection,
    journal_root: Path,
    chain_of: Callable[[], Chain],
    maturity_confirmations: int,
    progress: Progress,
    *,
    orders: OrderBook | None = None,
) -> Report:
    """Compute everything again and compare; `connection` must hold one snapshot throughout.

    `orders` are those in force; without any, every block pays its round, and whom jobs pay is not
    judged.

    `chain_of` is called only where blocks were booked. The chain is asked first, while the
    snapshot is fresh. Raises what the chain and the database raise.
    """
    report = Report()
    for words in chain(differences(connection), recompute(connection, orders)):
        report.differ(words)
    orders = orders or OrderBook()
    positions = {
        row.instance: row for row in connection.execute(sa.select(tables.journal_positions))
    }
    books = BooksAudit(connection, report)
    if books.blocks:
        compare_with_chain(
            books.blocks.values(), chain_of(), maturity_confirmations, report, progress
        )
    for number in _numbers(journal_root) - positions.keys():
        report.unsettled_shares += JournalReader(journal_root / str(number)).durable()
    shares_due = sum(row.next_sequence for row in positions.values())
    ends = {number: row.next_sequence for number, row in positions.items()}
    walk = Walk(journal_root, ends, orders, report)
    folded = _fold_all(
        walk,
        books,
        orders,
        lambda: progress("hashing shares", report.shares, shares_due),
    )
    if walk.is_broken:
        report.differ("totals, rounds and balances were not compared: mend the journal first")
        return report
    _compare_positions(walk, positions, folded, report)
    progress("comparing the books", shares_due, shares_due)
    books.finish()
    source = Source(connection, journal_root, SegmentDigester(), orders)
    ManifestsAudit(source, report).finish()
    return report


class _Folded(NamedTuple):
    open_work: OpenWork
    repeats: dict[int, list[int]]


def _fold_all(
    walk: Walk, books: BooksAudit, orders: OrderBook, progress: Callable[[], None]
) -> _Folded:
    """Fold the shares of all journals into what the books must hold."""
    open_work = OpenWork()
    repeats = Repeats(walk.read_back)
    found: dict[int, list[int]] = {}
    met: set[str] = set()
    look_back = LookBack(walk.read, lambda number, *span: between(found.get(number, []), *span))
    sources = Sources(walk.job, met.__contains__, orders.reward_at, look_back.window)
    ends: dict[int, int] = {}
    for merged, starts in walk.chunks():
        positions = repeats.find(merged, starts)
        for number, sequences in sequences_at(merged, positions).items():
            found.setdefault(number, []).extend(sequences)
        ends = dict(starts)
        for day, piece in by_day(uncredit(merged, positions), open_work.day):
            if day != open_work.day:
                books.end_day(open_work.today, ends)
            stretch = fold(piece, day, ends, open_work, sources)
            met.update(block.hash for block in stretch.blocks)
            books.take(stretch)
            for number, count in piece.counts.items():
                ends[number] += count
        progress()
    books.take_open_work(open_work, ends, found)
    return _Folded(open_work, found)


def _compare_positions(
    walk: Walk, positions: dict[int, Any], folded: _Folded, report: Report
) -> None:
    round_starts, day_starts = folded.open_work.round.starts, folded.open_work.today.starts
    for lane in walk.lanes:
        row = positions[lane.number]
        round_from, day_from = round_starts.get(lane.number, 0), day_starts.get(lane.number, 0)
        for name, stated, expected in (
            ("checksum at the position", row.last_crc32, lane.last_crc32),
            # 0 where it was settled before positions knew their time (migration 0003).
            ("time at the position", row.last_us or lane.last_us, lane.last_us),
            ("number of repeats", row.repeats, len(folded.repeats.get(lane.number, []))),
            # NULL where that was not kept yet (migration 0010).
            ("begin of the round", _known(row.round_from, round_from), round_from),
            ("begin of the day", _known(row.day_from, day_from), day_from),
        ):
            report.compare(f"{name} of journal {lane.number}", stated, expected)


def _known(stated: int | None, otherwise: int | None) -> int | None:
    return otherwise if stated is None else stated


def _numbers(journal_root: Path) -> set[int]:
    """Return the numbers of the journals on disk."""
    if not journal_root.is_dir():
        return set()
    return {int(path.name) for path in journal_root.iterdir() if path.name.isdecimal()}

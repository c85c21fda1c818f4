"""One audit from beginning to end, on one snapshot of the database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from kench.payouts import tables
from kench.payouts.audit.books import BooksAudit
from kench.payouts.audit.report import Progress, Report
from kench.payouts.audit.stand import compare_with_chain
from kench.payouts.audit.walk import Walk
from kench.payouts.follow import Chain
from kench.payouts.resumed import Repeats, uncredit
from kench.payouts.rounds import fold
from kench.payouts.window import RoundWindow
from kench.pool.journal.reader import JournalReader


def audit(
    connection: sa.Connection,
    journal_root: Path,
    chain_of: Callable[[], Chain],
    maturity_confirmations: int,
    progress: Progress,
) -> Report:
    """Compute everything again and compare; `connection` must hold one snapshot throughout.

    `chain_of` is called only where blocks were booked. The chain is asked first, while the
    snapshot is fresh. Raises what the chain and the database raise.
    """
    report = Report()
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
    walk = Walk(
        journal_root, {number: row.next_sequence for number, row in positions.items()}, report
    )
    repeats = _fold_all(walk, books, lambda: progress("hashing shares", report.shares, shares_due))
    if walk.is_broken:
        report.differ("totals, rounds and balances were not compared: mend the journal first")
        return report
    _compare_positions(walk, positions, repeats, report)
    progress("comparing the books", shares_due, shares_due)
    books.finish()
    return report


def _fold_all(walk: Walk, books: BooksAudit, progress: Callable[[], None]) -> dict[int, int]:
    """Fold the shares of all journals into what the books must hold; returns their repeats."""
    window = RoundWindow()
    repeats = Repeats(walk.read_back)
    found: dict[int, int] = {}
    met: set[str] = set()
    for merged, starts in walk.chunks():
        positions = repeats.find(merged, starts)
        for number in merged.numbers[positions].tolist():
            found[number] = found.get(number, 0) + 1
        stretch = fold(uncredit(merged, positions), window, walk.job, met.__contains__)
        met.update(block.hash for block in stretch.blocks)
        books.take(stretch)
        progress()
    books.take_round(window.state())
    return found


def _compare_positions(
    walk: Walk, positions: dict[int, Any], repeats: dict[int, int], report: Report
) -> None:
    for lane in walk.lanes:
        row = positions[lane.number]
        for name, stated, expected in (
            ("checksum at the position", row.last_crc32, lane.last_crc32),
            # 0 where it was settled before positions knew their time (migration 0003).
            ("time at the position", row.last_us or lane.last_us, lane.last_us),
            ("number of repeats", row.repeats, repeats.get(lane.number, 0)),
        ):
            report.compare(f"{name} of journal {lane.number}", stated, expected)


def _numbers(journal_root: Path) -> set[int]:
    """Return the numbers of the journals on disk."""
    if not journal_root.is_dir():
        return set()
    return {int(path.name) for path in journal_root.iterdir() if path.name.isdecimal()}

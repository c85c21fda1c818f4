"""One audit from beginning to end, on one snapshot of the database."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from kench.payouts import tables
from kench.payouts.audit.books import BooksAudit
from kench.payouts.audit.report import Progress, Report
from kench.payouts.audit.shares import ShareAudit
from kench.payouts.audit.stand import compare_with_chain
from kench.payouts.follow import Chain
from kench.payouts.rounds import fold
from kench.payouts.window import RoundWindow
from kench.pool.journal.reader import JournalReader


@dataclass(frozen=True, slots=True)
class _Audited:
    """What the audits of several journals share."""

    books: BooksAudit
    report: Report
    progress: Progress
    shares_due: int


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
    shares_due = sum(row.next_sequence for row in positions.values())
    is_broken = False
    audited = _Audited(books, report, progress, shares_due)
    for instance in sorted(positions.keys() | _instances(journal_root)):
        directory = journal_root / str(instance)
        if instance not in positions:
            report.unsettled_shares += JournalReader(directory).durable()
            continue
        is_broken |= not _audit_journal(audited, directory, positions[instance])
    if is_broken:
        report.differ("totals, rounds and balances were not compared: mend the journal first")
    else:
        progress("comparing the books", shares_due, shares_due)
        books.finish()
    return report


def _audit_journal(
    audited: "_Audited", directory: Path, position: "sa.Row[tuple[int, int, int]]"
) -> bool:
    """Hash one journal's shares again and fold them into what the books must hold.

    Returns whether the journal could be read to the settled position.
    """
    instance, report = position.instance, audited.report
    shares = ShareAudit(directory, instance, position.next_sequence, report)
    window = RoundWindow()
    met: set[str] = set()
    last_crc32 = 0
    for records in shares.chunks():
        stretch = fold(records, window, shares.jobs.job, met.__contains__)
        met.update(block.hash for block in stretch.blocks)
        audited.books.take(instance, stretch)
        last_crc32 = int(records["crc32"][-1])
        audited.progress("hashing shares", report.shares, audited.shares_due)
    if shares.is_broken:
        return False
    audited.books.take_round(instance, window.state())
    report.compare(
        f"checksum at the position of journal {instance}", position.last_crc32, last_crc32
    )
    return True


def _instances(journal_root: Path) -> set[int]:
    """Return the instances that have a journal on disk."""
    if not journal_root.is_dir():
        return set()
    return {int(path.name) for path in journal_root.iterdir() if path.name.isdecimal()}

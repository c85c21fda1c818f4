"""Postings: lines of the ledger about all but blocks: lots, fills, settlements, payouts, the bank.

A posting is written in the caller's transaction, and written twice it is there once: its id is the
digest of what it does. What a block pays has lines of its own (`kench.payouts.ledger`).

    write(connection, [
        Posting.direct(Subject.FILL, f"{venue}:{trade_id}",
                       venue_kgs(venue), TRADE_KGS, gross_tyiyn),
        …
    ])
    paid = Posting.pend(Subject.PAYOUT, end_to_end_id,
                        participant_kgs(7), CLIENTS_BANK, amount_tyiyn)
    write(connection, [paid])                          # later: [paid.post()] or [paid.void()]

All lines of one event belong into one call: balances that may not fall below zero are looked at
after each. PostgreSQL refuses what would break a rule (see docs/ledger.md) as IntegrityError.
"""

import enum
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from kench.payouts.accounts import Asset, asset_of
from kench.payouts.lines import LedgerLine, insert_lines, open_accounts
from kench.payouts.transfers import Done, Kind
from kench.pool.errors import KenchError

_ID_DOMAIN = b"kench posting 1"


class Subject(enum.StrEnum):
    """What a line of the ledger is about; its reference says which one."""

    BLOCK = "block"
    """Hash of the block; written by `kench.payouts.ledger` alone."""
    LOT = "lot"
    """`txid:vout`: its deposit."""
    FILL = "fill"
    """`venue:trade id`."""
    SETTLEMENT = "settlement"
    """`txid:vout` of the lot that is settled."""
    PAYOUT = "payout"
    """EndToEndId."""
    BANK = "bank"
    """The bank's or the venue's reference of money that moved between the two."""
    WRITE_OFF = "write_off"
    """`txid:vout` of the lot of which something is written off."""


class PostingConflictError(KenchError):
    """A line of the same id is in the ledger with another amount or asset."""


@dataclass(frozen=True, slots=True)
class Posting:
    """One line: `amount` (satoshi or tyiyn) from one account's debit to another's credit.

    There is one line of a kind between two accounts for one reference, ever.
    """

    kind: Kind
    subject: Subject
    reference: str
    debit_account: str
    credit_account: str
    amount: int
    settles: bool = False
    """Whether it posts or voids the pend that is otherwise like it."""

    @classmethod
    def direct(
        cls, subject: Subject, reference: str, debit: str, credit: str, amount: int
    ) -> "Posting":
        """Return a line that is final at once."""
        return cls(Kind.POST, subject, reference, debit, credit, amount)

    @classmethod
    def pend(
        cls, subject: Subject, reference: str, debit: str, credit: str, amount: int
    ) -> "Posting":
        """Return a line that reserves, until it is posted or voided."""
        return cls(Kind.PEND, subject, reference, debit, credit, amount)

    def post(self) -> "Posting":
        """Return the line that makes this pend final."""
        return replace(self, kind=Kind.POST, settles=True)

    def void(self) -> "Posting":
        """Return the line that takes this pend back."""
        return replace(self, kind=Kind.VOID, settles=True)

    @property
    def asset(self) -> Asset:
        """What is counted: that of both its accounts."""
        return asset_of(self.debit_account)

    @property
    def id(self) -> bytes:
        """The 32-byte id that this line has wherever and whenever it is made."""
        return self._id_as(self.kind)

    @property
    def pending_id(self) -> bytes | None:
        """The id of the pend that it settles."""
        return self._id_as(Kind.PEND) if self.settles else None

    def row(self) -> LedgerLine:
        """Return it as `transfers` has it."""
        return LedgerLine(
            self.id,
            self.kind.value,
            self.pending_id,
            self.asset.value,
            self.debit_account,
            self.credit_account,
            self.amount,
            self.subject.value,
            self.reference,
        )

    def _id_as(self, kind: Kind) -> bytes:
        return posting_id(
            kind, self.subject, self.reference, self.debit_account, self.credit_account
        )


def posting_id(
    kind: Kind, subject: Subject, reference: str, debit_account: str, credit_account: str
) -> bytes:
    """Return SHA-256 over a domain name and each part after its length (4 bytes, big-endian)."""
    digest = hashlib.sha256(_ID_DOMAIN)
    for part in (kind.value, subject.value, reference, debit_account, credit_account):
        raw = part.encode()
        digest.update(len(raw).to_bytes(4, "big"))
        digest.update(raw)
    return digest.digest()


_READ = sa.text("""
    SELECT id, pending_id, asset, amount FROM transfers WHERE id = ANY(CAST(:ids AS bytea[]))
""")


def write(connection: sa.Connection, postings: Iterable[Posting]) -> Done:
    """Write lines that are not there yet, opening their accounts; EXISTS where all were.

    Raises PostingConflictError where one is there with another content, and what PostgreSQL raises
    where a rule of the ledger refuses: then nothing of the caller's transaction stands.
    """
    lines = list(dict.fromkeys(postings))
    if not lines:
        return Done.EXISTS
    open_accounts(
        connection, [code for line in lines for code in (line.debit_account, line.credit_account)]
    )
    written = insert_lines(connection, [line.row() for line in lines])
    if written < len(lines):
        _compare(connection, lines)
    return Done.CREATED if written else Done.EXISTS


def _compare(connection: sa.Connection, lines: Sequence[Posting]) -> None:
    """See that each line is there as it is meant."""
    found = {
        bytes(row.id): (row.pending_id and bytes(row.pending_id), row.asset, row.amount)
        for row in connection.execute(_READ, {"ids": [line.id for line in lines]})
    }
    for line in lines:
        have, want = found.get(line.id), (line.pending_id, line.asset.value, line.amount)
        if have != want:
            raise PostingConflictError(
                f"{line.kind} of {line.amount} {line.asset} for {line.subject} {line.reference} "
                f"({line.debit_account} from {line.credit_account}) is in the ledger as {have}: "
                "run `kench audit`"
            )

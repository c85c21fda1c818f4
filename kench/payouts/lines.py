"""Lines of the ledger as rows of `transfers`: all lines of one event in one statement.

Row by row they would take longer than all else that is done for an event.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import sqlalchemy as sa

# What an account is follows from its code: that is worked out for those alone that are not open.
_OPEN = sa.text("""
    INSERT INTO accounts (code) SELECT * FROM unnest(CAST(:codes AS text[])) AS codes (code)
    WHERE NOT EXISTS (SELECT FROM accounts WHERE accounts.code = codes.code)
    ORDER BY code ON CONFLICT DO NOTHING
""")
_INSERT = sa.text("""
    INSERT INTO transfers (id, kind, pending_id, asset, debit_account, credit_account, amount,
                           subject, reference, block_hash, attempt)
    SELECT * FROM unnest(
        CAST(:ids AS bytea[]), CAST(:kinds AS text[]), CAST(:pending_ids AS bytea[]),
        CAST(:assets AS text[]), CAST(:debits AS text[]), CAST(:credits AS text[]),
        CAST(:amounts AS bigint[]), CAST(:subjects AS text[]), CAST(:references AS text[]),
        CAST(:blocks AS text[]), CAST(:attempts AS integer[]))
    ON CONFLICT (id) DO NOTHING
""")
_PARAMETERS = (
    "ids", "kinds", "pending_ids", "assets", "debits", "credits", "amounts", "subjects",
    "references", "blocks", "attempts",
)  # fmt: skip


class LedgerLine(NamedTuple):
    """One row, with its columns in their order; `block_hash` and `attempt` of a block alone."""

    id: bytes
    kind: str
    pending_id: bytes | None
    asset: str
    debit_account: str
    credit_account: str
    amount: int
    subject: str
    reference: str
    block_hash: str | None = None
    attempt: int | None = None


def open_accounts(connection: sa.Connection, codes: Iterable[str]) -> None:
    """Open those accounts that are not open yet."""
    connection.execute(_OPEN, {"codes": sorted(set(codes))})


def insert_lines(connection: sa.Connection, lines: Sequence[LedgerLine]) -> int:
    """Write those lines whose id is not there yet; return how many that were."""
    if not lines:
        return 0
    columns = map(list, zip(*lines, strict=True))
    return connection.execute(_INSERT, dict(zip(_PARAMETERS, columns, strict=True))).rowcount

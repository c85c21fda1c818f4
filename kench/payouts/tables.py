"""The tables of the books as SQLAlchemy Core sees them; see migrations 0002, 0003, 0007, 0010.

Work comes and goes as Python int: PostgreSQL keeps it as numeric(78, 0), which holds 2**256.
"""

from decimal import Decimal
from typing import Any

import sqlalchemy as sa


class Hashes(sa.types.TypeDecorator[int]):
    """Work in hashes: int in Python, numeric(78, 0) in PostgreSQL."""

    impl = sa.Numeric(78, 0)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: sa.Dialect) -> Decimal | None:
        """Widen to Decimal, exactly."""
        del dialect
        return None if value is None else Decimal(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> int | None:
        """Narrow to int; the column holds no fractions."""
        del dialect
        return None if value is None else int(value)


metadata = sa.MetaData()

journal_positions = sa.Table(
    "journal_positions",
    metadata,
    sa.Column("instance", sa.Integer, primary_key=True),
    sa.Column("next_sequence", sa.BigInteger, nullable=False),
    sa.Column("last_crc32", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("last_us", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("repeats", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("round_from", sa.BigInteger, server_default="0"),
    sa.Column("day_from", sa.BigInteger, server_default="0"),
)

repeats = sa.Table(
    "repeats",
    metadata,
    sa.Column("instance", sa.Integer, primary_key=True),
    sa.Column("sequence", sa.BigInteger, primary_key=True),
)

resumed_jobs = sa.Table(
    "resumed_jobs",
    metadata,
    sa.Column("job_key", sa.BigInteger, primary_key=True),
)

settlement = sa.Table(
    "settlement",
    metadata,
    sa.Column("is_one", sa.Boolean, primary_key=True, server_default="true"),
    sa.Column("waits_for", sa.Text),
    sa.Column("since", sa.DateTime(timezone=True)),
    sa.Column("day", sa.Date),
)

totals = sa.Table(
    "totals",
    metadata,
    sa.Column("participant_id", sa.BigInteger, primary_key=True),
    sa.Column("worker_id", sa.BigInteger, primary_key=True),
    sa.Column("accepted", sa.BigInteger, nullable=False),
    sa.Column("work_hashes", Hashes, nullable=False),
)

open_round = sa.Table(
    "open_round",
    metadata,
    sa.Column("participant_id", sa.BigInteger, primary_key=True),
    sa.Column("work_hashes", Hashes, nullable=False),
)

open_day = sa.Table(
    "open_day",
    metadata,
    sa.Column("participant_id", sa.BigInteger, primary_key=True),
    sa.Column("work_hashes", Hashes, nullable=False),
)

blocks = sa.Table(
    "blocks",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("instance", sa.Integer, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("job_key", sa.BigInteger, nullable=False),
    sa.Column("reward_sat", sa.BigInteger, nullable=False),
    sa.Column("finder", sa.Text, nullable=False),
    sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("credited", sa.Boolean, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="pending"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("followed", sa.Boolean, nullable=False, server_default="true"),
    sa.Column("alarm", sa.Boolean, nullable=False, server_default="false"),
    sa.Column("credits", sa.Integer, nullable=False, server_default="0"),
    sa.Column("transfers", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("order_number", sa.Integer, nullable=False, server_default="0"),
    sa.Column("method", sa.Text, nullable=False, server_default="round"),
    sa.Column("day", sa.Date),
    sa.Column("coinbase_txid", sa.Text),
)

block_outputs = sa.Table(
    "block_outputs",
    metadata,
    sa.Column("block_hash", sa.Text, primary_key=True),
    sa.Column("vout", sa.Integer, primary_key=True),
    sa.Column("script", sa.LargeBinary, nullable=False),
    sa.Column("amount_sat", sa.BigInteger, nullable=False),
)

block_spans = sa.Table(
    "block_spans",
    metadata,
    sa.Column("block_hash", sa.Text, primary_key=True),
    sa.Column("instance", sa.Integer, primary_key=True),
    sa.Column("from_sequence", sa.BigInteger),
    sa.Column("to_sequence", sa.BigInteger, nullable=False),
    sa.Column("cut_hashes", Hashes),
)

block_credits = sa.Table(
    "block_credits",
    metadata,
    sa.Column("block_hash", sa.Text, primary_key=True),
    sa.Column("participant_id", sa.BigInteger, primary_key=True),
    sa.Column("work_hashes", Hashes, nullable=False),
    sa.Column("reward_sat", sa.BigInteger, nullable=False),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    # These three follow from the code.
    sa.Column("class", sa.Text, sa.Computed("account_class(code)")),
    sa.Column("asset", sa.Text, sa.Computed("account_class(code)")),
    sa.Column("participant_id", sa.BigInteger, sa.Computed("account_class(code)")),
    sa.Column("debits_pending", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("debits_posted", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("credits_pending", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("credits_posted", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("transfers", sa.BigInteger, nullable=False, server_default="0"),
)

transfers = sa.Table(
    "transfers",
    metadata,
    sa.Column("id", sa.LargeBinary, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("pending_id", sa.LargeBinary),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("debit_account", sa.Text, nullable=False),
    sa.Column("credit_account", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    # Of lines about blocks.
    sa.Column("block_hash", sa.Text),
    sa.Column("attempt", sa.Integer),
    sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now()),
)

workers = sa.table("workers", sa.column("id", sa.Integer), sa.column("name", sa.Text))
"""What settlement needs of the register."""

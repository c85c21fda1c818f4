"""The tables of payouts as SQLAlchemy Core sees them; a migration makes them and their guards."""

import sqlalchemy as sa

metadata = sa.MetaData()

bank_accounts = sa.Table(
    "bank_accounts",
    metadata,
    # 0 is the operator, whose fees are paid out too.
    sa.Column("participant_id", sa.BigInteger, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("number", sa.Text, nullable=False),
    sa.Column("bank", sa.Text, nullable=False),
    sa.Column("threshold_tyiyn", sa.BigInteger),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    # The signed notice that it follows, and the officer who entered it; none: by the operator.
    sa.Column("notice_id", sa.Integer),
    sa.Column("entered_by", sa.Integer),
)

payout_batches = sa.Table(
    "payout_batches",
    metadata,
    sa.Column("batch", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("message_id", sa.Text, nullable=False, unique=True),
    sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("order_number", sa.Integer, nullable=False),
    sa.Column("payouts", sa.Integer, nullable=False),
    sa.Column("total_tyiyn", sa.BigInteger, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("sha256", sa.LargeBinary, nullable=False),
)

payouts = sa.Table(
    "payouts",
    metadata,
    sa.Column("end_to_end_id", sa.Text, primary_key=True),
    sa.Column("participant_id", sa.BigInteger, nullable=False),
    sa.Column("amount_tyiyn", sa.BigInteger, nullable=False),
    sa.Column("batch", sa.Integer, nullable=False),
    sa.Column("account_version", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="pended"),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("bank_reference", sa.Text, nullable=False, server_default=""),
    sa.Column("return_reference", sa.Text, nullable=False, server_default=""),
    sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
)

bank_files = sa.Table(
    "bank_files",
    metadata,
    sa.Column("sha256", sa.LargeBinary, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
)

bank_entries = sa.Table(
    "bank_entries",
    metadata,
    sa.Column("id", sa.LargeBinary, primary_key=True),
    sa.Column("file_sha256", sa.LargeBinary, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("direction", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("end_to_end_id", sa.Text, nullable=False),
    sa.Column("amount_tyiyn", sa.BigInteger),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("counterparty", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("booked_date", sa.Text, nullable=False),
    sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
)

bank_statements = sa.Table(
    "bank_statements",
    metadata,
    sa.Column("file_sha256", sa.LargeBinary, primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("number", sa.BigInteger),
    sa.Column("opening_tyiyn", sa.BigInteger),
    sa.Column("closing_tyiyn", sa.BigInteger),
    sa.Column("closing_date", sa.Date),
    sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
)

balances = sa.table(
    "account_balances",
    sa.column("code", sa.Text),
    sa.column("class", sa.Text),
    sa.column("participant_id", sa.BigInteger),
    sa.column("posted", sa.BigInteger),
    sa.column("leaving", sa.BigInteger),
)
"""The ledger's view: what accounts have, and what is pended away from them."""

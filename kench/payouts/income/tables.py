"""The tables of income as SQLAlchemy Core sees them; migration 0036 makes them and their guards."""

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)
SUMS = (
    "accrued_sat", "sold_sat", "gross_tyiyn", "venue_fee_tyiyn", "pool_fee_tyiyn", "net_tyiyn",
    "paid_tyiyn",
)  # fmt: skip
"""Columns of sums, in the order of `Totals`."""

income_periods = sa.Table(
    "income_periods",
    metadata,
    sa.Column("period", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False, server_default="0"),
    sa.Column("closed", sa.Boolean, nullable=False, server_default="false"),
)


def _record_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("sequence", sa.BigInteger, primary_key=True),
        sa.Column("doc_ref", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("participant_id", sa.Integer, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("asset", sa.Text, nullable=False),
        sa.Column("doc_type", sa.Text, nullable=False),
        sa.Column("corrects", sa.Text),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in SUMS),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
    ]


income_records = sa.Table("income_records", metadata, *_record_columns())
income_in_force = sa.Table("income_in_force", metadata, *_record_columns())
"""A view: documents that nothing has corrected or taken back."""

income_closings = sa.Table(
    "income_closings",
    metadata,
    sa.Column("period", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("records", sa.Integer, nullable=False),
    sa.Column("participants", sa.Integer, nullable=False),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in SUMS),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("act_1", sa.BigInteger, nullable=False),
    sa.Column("act_2", sa.BigInteger, nullable=False),
    sa.Column("order_number", sa.Integer),
    sa.Column("at", _MOMENT, nullable=False),
)

income_receipts = sa.Table(
    "income_receipts",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("doc_ref", sa.Text, nullable=False),
    sa.Column("consumer", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("xroad_id", sa.Uuid, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)

exchange_rates = sa.Table(
    "exchange_rates",
    metadata,
    sa.Column("currency", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("som_per_unit", sa.Numeric(24, 8), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("imported_at", _MOMENT, nullable=False),
)

income_participants = sa.table(
    "income_participants",
    *(
        sa.column(name)
        for name in (
            "participant_id", "name", "tax_number", "kind", "address", "certificate",
            "planned_kwh_month",
        )
    ),
)  # fmt: skip
"""A view: of the register what the tax service is told."""

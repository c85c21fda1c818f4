"""The tables of sale and settlement as proceeds sees them; migrations 0005, 0006 and 0012.

`kench.sale` has its own view of the first ones: payouts knows nothing of how a lot is sold.
"""

import sqlalchemy as sa

metadata = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)

lots = sa.table(
    "lots",
    *(
        sa.column(name)
        for name in (
            "block_hash", "vout", "coinbase_txid", "height", "venue", "output_sat", "carried_sat",
            "amount_sat", "state", "reason", "who", "order_number", "version", "changed_at",
            "sold_sat", "left_sat",
        )
    ),
)  # fmt: skip
lot_sold_shares = sa.table(
    "lot_sold_shares",
    *(sa.column(name) for name in ("block_hash", "vout", "participant_id", "amount_sat")),
)
fills = sa.table(
    "fills",
    *(
        sa.column(name)
        for name in (
            "venue", "trade_id", "block_hash", "vout", "amount_sat", "price", "cost", "fee",
            "gross_tyiyn", "fee_tyiyn", "at",
        )
    ),
)  # fmt: skip
lot_settlements = sa.Table(
    "lot_settlements",
    metadata,
    sa.Column("block_hash", sa.Text, primary_key=True),
    sa.Column("vout", sa.Integer, primary_key=True),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("sold_sat", sa.BigInteger, nullable=False),
    sa.Column("gross_tyiyn", sa.BigInteger, nullable=False),
    sa.Column("venue_fee_tyiyn", sa.BigInteger, nullable=False),
    sa.Column("pool_fee_tyiyn", sa.BigInteger, nullable=False),
    sa.Column("net_tyiyn", sa.BigInteger, nullable=False),
    sa.Column("pool_ppm", sa.Integer, nullable=False),
    sa.Column("fee_order", sa.Integer, nullable=False),
    sa.Column("settled_at", _MOMENT, nullable=False),
)
lot_settlement_lines = sa.Table(
    "lot_settlement_lines",
    metadata,
    sa.Column("block_hash", sa.Text, primary_key=True),
    sa.Column("vout", sa.Integer, primary_key=True),
    sa.Column("participant_id", sa.BigInteger, primary_key=True),
    sa.Column("amount_sat", sa.BigInteger, nullable=False),
    sa.Column("net_tyiyn", sa.BigInteger, nullable=False),
    sa.Column("venue_fee_tyiyn", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("pool_fee_tyiyn", sa.BigInteger, nullable=False, server_default="0"),
)

"""The tables of the sale as SQLAlchemy Core sees them; migrations make them."""

import sqlalchemy as sa

metadata = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)


def _lot_key() -> tuple[sa.Column[str], sa.Column[int]]:
    return (
        sa.Column("block_hash", sa.Text, primary_key=True),
        sa.Column("vout", sa.Integer, primary_key=True),
    )


lots = sa.Table(
    "lots",
    metadata,
    *_lot_key(),
    sa.Column("coinbase_txid", sa.Text, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("venue", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("output_sat", sa.BigInteger, nullable=False),
    sa.Column("carried_sat", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("amount_sat", sa.BigInteger, nullable=False),
    sa.Column("venues_order", sa.Integer, nullable=False),
    sa.Column("made_at", _MOMENT, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="awaiting_deposit"),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("who", sa.Text, nullable=False, server_default="kench sell"),
    sa.Column("order_number", sa.Integer),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("changed_at", _MOMENT, nullable=False),
    sa.Column("credited_at", _MOMENT),
    sa.Column("sold_sat", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("open_sat", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("left_sat", sa.BigInteger, nullable=False, server_default="0"),
)

lot_shares = sa.Table(
    "lot_shares",
    metadata,
    *_lot_key(),
    sa.Column("participant_id", sa.BigInteger, primary_key=True),
    sa.Column("amount_sat", sa.BigInteger, nullable=False),
)

lot_events = sa.Table(
    "lot_events",
    metadata,
    *_lot_key(),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("came_from", sa.Text),
    sa.Column("goes_to", sa.Text, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("order_number", sa.Integer),
)

lot_remainders = sa.Table(
    "lot_remainders",
    metadata,
    *_lot_key(),
    sa.Column("participant_id", sa.BigInteger, primary_key=True),
    sa.Column("amount_sat", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
)

lot_carries = sa.Table(
    "lot_carries",
    metadata,
    *_lot_key(),
    sa.Column("to_block_hash", sa.Text, nullable=False),
    sa.Column("to_vout", sa.Integer, nullable=False),
)

lot_waits = sa.Table(
    "lot_waits",
    metadata,
    *_lot_key(),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("since", _MOMENT, nullable=False),
)

lot_deposits = sa.Table(
    "lot_deposits",
    metadata,
    *_lot_key(),
    sa.Column("state", sa.Text, primary_key=True),
    sa.Column("amount_sat", sa.BigInteger, primary_key=True),
    sa.Column("credited_at", _MOMENT),
    sa.Column("told_at", _MOMENT, nullable=False),
    sa.Column("raw", sa.Text, nullable=False),
)

screenings = sa.Table(
    "screenings",
    metadata,
    *_lot_key(),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("check_id", sa.Text),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("provider_ref", sa.Text),
    sa.Column("score_bp", sa.BigInteger),
    sa.Column("level", sa.Text),
    sa.Column("decision", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("raw", sa.Text),
    sa.Column("raw_sha256", sa.LargeBinary),
    sa.Column("refuse_over_bp", sa.Integer),
    sa.Column("officer_over_bp", sa.Integer),
    sa.Column("order_number", sa.Integer),
    sa.Column("at", _MOMENT, nullable=False),
)

sale_halts = sa.Table(
    "sale_halts",
    metadata,
    *_lot_key(),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("order_number", sa.Integer),
    sa.Column("at", _MOMENT, nullable=False),
)

lot_resolutions = sa.Table(
    "lot_resolutions",
    metadata,
    *_lot_key(),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("signature_1", sa.LargeBinary, nullable=False),
    sa.Column("signature_2", sa.LargeBinary, nullable=False),
    sa.Column("pin_1", sa.Text, nullable=False),
    sa.Column("pin_2", sa.Text, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)

licence_warnings = sa.Table(
    "licence_warnings",
    metadata,
    sa.Column("venue", sa.Text, primary_key=True),
    sa.Column("number", sa.Text, primary_key=True),
    sa.Column("until", sa.Date, primary_key=True),
    sa.Column("days", sa.Integer, primary_key=True),
    sa.Column("at", _MOMENT, nullable=False),
)

reconciliations = sa.Table(
    "reconciliations",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("venue", sa.Text, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
    sa.Column("differences", sa.ARRAY(sa.Text), nullable=False),
    sa.Column("raw", sa.Text, nullable=False),
)

venue_orders = sa.Table(
    "venue_orders",
    metadata,
    sa.Column("client_id", sa.Text, primary_key=True),
    sa.Column("block_hash", sa.Text, nullable=False),
    sa.Column("vout", sa.Integer, nullable=False),
    sa.Column("slice", sa.Integer, nullable=False),
    sa.Column("venue", sa.Text, nullable=False),
    sa.Column("amount_sat", sa.BigInteger, nullable=False),
    sa.Column("limit_price", sa.Numeric, nullable=False),
    sa.Column("reference_price", sa.Numeric, nullable=False),
    sa.Column("sale_order", sa.Integer, nullable=False),
    sa.Column("licence_order", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="intended"),
    sa.Column("venue_order_id", sa.Text),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("intended_at", _MOMENT, nullable=False),
    sa.Column("ended_at", _MOMENT),
    sa.Column("filled_sat", sa.BigInteger, nullable=False, server_default="0"),
)

fills = sa.Table(
    "fills",
    metadata,
    sa.Column("venue", sa.Text, primary_key=True),
    sa.Column("trade_id", sa.Text, primary_key=True),
    sa.Column("client_id", sa.Text, nullable=False),
    sa.Column("block_hash", sa.Text, nullable=False),
    sa.Column("vout", sa.Integer, nullable=False),
    sa.Column("amount_sat", sa.BigInteger, nullable=False),
    sa.Column("price", sa.Numeric, nullable=False),
    sa.Column("cost", sa.Numeric, nullable=False),
    sa.Column("fee", sa.Numeric, nullable=False),
    sa.Column("gross_tyiyn", sa.BigInteger, nullable=False),
    sa.Column("fee_tyiyn", sa.BigInteger, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
    sa.Column("booked_at", _MOMENT, nullable=False),
    sa.Column("raw", sa.Text, nullable=False),
)

lot_wishes = sa.Table(
    "lot_wishes",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("block_hash", sa.Text, nullable=False),
    sa.Column("vout", sa.Integer, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("signature_1", sa.LargeBinary, nullable=False),
    sa.Column("signature_2", sa.LargeBinary, nullable=False),
    sa.Column("act_1", sa.BigInteger, nullable=False),
    sa.Column("act_2", sa.BigInteger, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)

lot_wish_queue = sa.Table(
    "lot_wish_queue", metadata, sa.Column("wish_id", sa.BigInteger, primary_key=True)
)

lot_wish_ends = sa.Table(
    "lot_wish_ends",
    metadata,
    sa.Column("wish_id", sa.BigInteger, primary_key=True),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)

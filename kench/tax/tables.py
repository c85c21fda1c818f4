"""The tables and views that the hand-over works with; a migration makes them.

`tax_records` and the other views hold what may be handed over, and nothing else: the records of
periods that were closed, as far as they were closed.
"""

import sqlalchemy as sa

metadata = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)

tax_records = sa.table(
    "tax_records",
    *(
        sa.column(name)
        for name in (
            "sequence", "doc_ref", "period", "participant_id", "day", "doc_type", "content",
            "sha256",
        )
    ),
)  # fmt: skip
tax_closings = sa.table(
    "tax_closings",
    *(
        sa.column(name)
        for name in (
            "period", "version", "kind", "digest", "records", "participants", "accrued_sat",
            "sold_sat", "gross_tyiyn", "venue_fee_tyiyn", "pool_fee_tyiyn", "net_tyiyn",
            "paid_tyiyn", "content", "act_1", "act_2", "order_number", "at",
        )
    ),
)  # fmt: skip
tax_signatures = sa.table(
    "tax_signatures",
    *(
        sa.column(name)
        for name in (
            "period", "version", "act_id", "content", "signature", "certificates", "crls", "ocsps",
            "signed_at",
        )
    ),
)  # fmt: skip
tax_register = sa.table(
    "tax_register",
    *(
        sa.column(name)
        for name in (
            "participant_id", "version", "entered_at", "state", "kind", "name", "tax_number",
            "certificate_number", "certificate_issued",
        )
    ),
)  # fmt: skip
income_releases = sa.Table(
    "income_releases",
    metadata,
    sa.Column("serial", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("period", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("after_sequence", sa.BigInteger, nullable=False),
    sa.Column("last_sequence", sa.BigInteger, nullable=False),
    sa.Column("records", sa.Integer, nullable=False),
    sa.Column("corrections", sa.Integer, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)
income_receipts = sa.Table(
    "income_receipts",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("doc_ref", sa.Text, nullable=False),
    sa.Column("consumer", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("xroad_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)
tax_requests = sa.Table(
    "tax_requests",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("xroad_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("participant_id", sa.Integer),
    sa.Column("request_hash", sa.LargeBinary),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("answer_sha256", sa.LargeBinary, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)
tax_answers = sa.Table(
    "tax_answers",
    metadata,
    sa.Column("client", sa.Text, primary_key=True),
    sa.Column("xroad_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("request_sha256", sa.LargeBinary, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)
income_pushes = sa.Table(
    "income_pushes",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("release", sa.BigInteger, nullable=False),
    sa.Column("after_sequence", sa.BigInteger, nullable=False),
    sa.Column("last_sequence", sa.BigInteger, nullable=False),
    sa.Column("records", sa.Integer, nullable=False),
    sa.Column("xroad_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("queued_at", _MOMENT, nullable=False),
    sa.Column("due_at", _MOMENT, nullable=False),
    sa.Column("tries", sa.SmallInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("fault", sa.Text, nullable=False),
    sa.Column("answered_at", _MOMENT),
    sa.Column("answer_sha256", sa.LargeBinary),
)

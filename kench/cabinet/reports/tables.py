"""Tables of reports as SQLAlchemy Core knows them; a migration makes them."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

metadata = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)

report_forms = sa.Table(
    "report_forms",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("order_number", sa.Integer),
    sa.Column("effective_from", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("sha256", sa.LargeBinary, nullable=False),
    sa.Column("act_id", sa.BigInteger),
    sa.Column("at", _MOMENT, nullable=False),
)

report_runs = sa.Table(
    "report_runs",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("period", sa.Text, primary_key=True),
    sa.Column("after_id", sa.Integer, nullable=False),
    sa.Column("begun_at", _MOMENT, nullable=False),
    sa.Column("done_at", _MOMENT),
)

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("participant_id", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("period", sa.Text, nullable=False),
    sa.Column("form_version", sa.Integer, nullable=False),
    sa.Column("facts", JSONB, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("made_at", _MOMENT, nullable=False),
    sa.Column("due", sa.Date, nullable=False),
    sa.Column("calendar", sa.Text, nullable=False),
)

report_filings = sa.Table(
    "report_filings",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("report_id", sa.Integer, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("form_kind", sa.Text, nullable=False),
    sa.Column("form_version", sa.Integer, nullable=False),
    sa.Column("contents", JSONB, nullable=False),
    sa.Column("act_id", sa.BigInteger, nullable=False),
    sa.Column("person_id", sa.Integer, nullable=False),
    sa.Column("filed_at", _MOMENT, nullable=False),
    sa.Column("late", sa.Boolean, nullable=False),
)

report_decisions = sa.Table(
    "report_decisions",
    metadata,
    sa.Column("filing_id", sa.Integer, primary_key=True),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("remarks", sa.Text, nullable=False),
    sa.Column("person_id", sa.Integer, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
    sa.Column("act_id", sa.BigInteger),
)

report_queue = sa.Table(
    "report_queue",
    metadata,
    sa.Column("report_id", sa.Integer, primary_key=True),
    sa.Column("participant_id", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("period", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("due", sa.Date, nullable=False),
    sa.Column("since", _MOMENT, nullable=False),
)

report_reminders = sa.Table(
    "report_reminders",
    metadata,
    sa.Column("report_id", sa.Integer, primary_key=True),
    sa.Column("letter", sa.Text, primary_key=True),
    sa.Column("at", _MOMENT, nullable=False),
)

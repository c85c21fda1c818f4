"""Tables of registration as SQLAlchemy Core knows them; a migration makes them."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

metadata = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)

attachments = sa.Table(
    "attachments",
    metadata,
    sa.Column("sha256", sa.LargeBinary, primary_key=True),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("person_id", sa.Integer, nullable=False),
    sa.Column("sha256", sa.LargeBinary, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)

drafts = sa.Table(
    "drafts",
    metadata,
    sa.Column("person_id", sa.Integer, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("content", JSONB, nullable=False),
    sa.Column("saved_at", _MOMENT, nullable=False),
)

applications = sa.Table(
    "applications",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("person_id", sa.Integer, nullable=False),
    sa.Column("act_id", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("tax_number", sa.Text, nullable=False),
    sa.Column("submitted_at", _MOMENT, nullable=False),
    sa.Column("decide_by", sa.Date, nullable=False),
    sa.Column("calendar", sa.Text, nullable=False),
)

application_events = sa.Table(
    "application_events",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("application_id", sa.Integer, nullable=False),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
    sa.Column("act_id", sa.BigInteger, nullable=False),
    sa.Column("participant_id", sa.Integer),
)

register_entries = sa.Table(
    "register_entries",
    metadata,
    sa.Column("participant_id", sa.Integer, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("content", JSONB, nullable=False),
    sa.Column("act_id", sa.BigInteger, nullable=False),
    sa.Column("entered_by", sa.Integer, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
)

membership_events = sa.Table(
    "membership_events",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("participant_id", sa.Integer, nullable=False),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
    sa.Column("act_id", sa.BigInteger),
    sa.Column("notice_id", sa.Integer),
)

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("participant_id", sa.Integer, nullable=False),
    sa.Column("person_id", sa.Integer, nullable=False),
    sa.Column("act_id", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("made_at", _MOMENT, nullable=False),
    sa.Column("late", sa.Boolean, nullable=False),
    sa.Column("day", sa.Date),
    sa.Column("until", sa.Date),
    sa.Column("enter_by", sa.Date),
    sa.Column("calendar", sa.Text, nullable=False),
)

application_queue = sa.Table(
    "application_queue",
    metadata,
    sa.Column("application_id", sa.Integer, primary_key=True),
    sa.Column("decide_by", sa.Date, nullable=False),
)

notice_queue = sa.Table(
    "notice_queue",
    metadata,
    sa.Column("notice_id", sa.Integer, primary_key=True),
    sa.Column("participant_id", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("is_entered", sa.Boolean, nullable=False),
    sa.Column("due", sa.Date, nullable=False),
)

notice_events = sa.Table(
    "notice_events",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("notice_id", sa.Integer, nullable=False),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
    sa.Column("person_id", sa.Integer),
    sa.Column("act_id", sa.BigInteger),
)

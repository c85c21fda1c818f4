"""Tables of alerts as SQLAlchemy Core knows them; a migration makes them."""

import sqlalchemy as sa

metadata = sa.MetaData()

alert_rules = sa.Table(
    "alert_rules",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("participant_id", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("bound", sa.Integer, nullable=False),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("secret", sa.LargeBinary),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("quiet_from", sa.Integer, nullable=False),
    sa.Column("quiet_until", sa.Integer, nullable=False),
    sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("made_by", sa.Integer, nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("ended_by", sa.Integer),
)

mail_addresses = sa.Table(
    "mail_addresses",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("person_id", sa.Integer, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("confirmed_at", sa.DateTime(timezone=True)),
    sa.Column("refused_at", sa.DateTime(timezone=True)),
)

mail_links = sa.Table(
    "mail_links",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("address_id", sa.ForeignKey("mail_addresses.id"), nullable=False),
    sa.Column("secret_sha256", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("used_at", sa.DateTime(timezone=True)),
)

alert_states = sa.Table(
    "alert_states",
    metadata,
    sa.Column("rule_id", sa.ForeignKey("alert_rules.id"), primary_key=True),
    sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("subjects", sa.ARRAY(sa.Integer), nullable=False),
)

alert_messages = sa.Table(
    "alert_messages",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    # Of a rule, or to an address.
    sa.Column("rule_id", sa.ForeignKey("alert_rules.id")),
    sa.Column("address_id", sa.ForeignKey("mail_addresses.id")),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("about", sa.Text),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("tries", sa.SmallInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("fault", sa.Text, nullable=False),
)

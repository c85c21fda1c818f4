"""Tables of persons and their logins as SQLAlchemy Core knows them; a migration makes them."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

metadata = sa.MetaData()

persons = sa.Table(
    "persons",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("pin", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
)

logins = sa.Table(
    "logins",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("cookie_sha256", sa.LargeBinary, nullable=False),
    sa.Column("person_id", sa.ForeignKey("persons.id"), nullable=False),
    sa.Column("browser_sha256", sa.LargeBinary, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("ended_why", sa.Text),
    sa.Column("way", sa.Text, nullable=False),
    sa.Column("certificates", ARRAY(sa.LargeBinary), nullable=False),
)

sign_on_requests = sa.Table(
    "sign_on_requests",
    metadata,
    sa.Column("state_sha256", sa.LargeBinary, primary_key=True),
    sa.Column("browser_sha256", sa.LargeBinary, nullable=False),
    sa.Column("next", sa.Text, nullable=False),
    sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("used_at", sa.DateTime(timezone=True)),
)

entry_proofs = sa.Table(
    "entry_proofs",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("login_id", sa.BigInteger, nullable=False),
    sa.Column("person_id", sa.ForeignKey("persons.id"), nullable=False),
    sa.Column("way", sa.Text, nullable=False),
    sa.Column("claims", sa.Text, nullable=False),
    sa.Column("token_sha256", sa.LargeBinary),
    sa.Column("certificates", ARRAY(sa.LargeBinary), nullable=False),
    sa.Column("crls", ARRAY(sa.LargeBinary), nullable=False),
    sa.Column("ocsps", ARRAY(sa.LargeBinary), nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
)

acts = sa.Table(
    "acts",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("person_id", sa.ForeignKey("persons.id")),
    sa.Column("login_id", sa.BigInteger),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("participant_id", sa.Integer),
)

participant_people = sa.Table(
    "participant_people",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("participant_id", sa.Integer, nullable=False),
    sa.Column("pin", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("added_by", sa.ForeignKey("persons.id")),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
    sa.Column("ended_by", sa.ForeignKey("persons.id")),
)

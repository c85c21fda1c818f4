"""Tables of signing as SQLAlchemy Core knows them; a migration makes them."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

metadata = sa.MetaData()

signing_requests = sa.Table(
    "signing_requests",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("browser_sha256", sa.LargeBinary, nullable=False),
    sa.Column("login_id", sa.BigInteger),
    sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("used_at", sa.DateTime(timezone=True)),
)

evidence = sa.Table(
    "act_evidence",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

signed_acts = sa.Table(
    "signed_acts",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("person_id", sa.Integer, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("content_sha256", sa.LargeBinary, nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    sa.Column("certificate_sha256", sa.LargeBinary, nullable=False),
    sa.Column("certificates", ARRAY(sa.LargeBinary), nullable=False),
    sa.Column("crls", ARRAY(sa.LargeBinary), nullable=False),
    sa.Column("ocsps", ARRAY(sa.LargeBinary), nullable=False),
    sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
)

"""The register's tables as SQLAlchemy Core knows them; the migrations make them."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

metadata = sa.MetaData()

officers = sa.Table(
    "officers",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("pin", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("duty", sa.Text, nullable=False),
    sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ended_at", sa.DateTime(timezone=True)),
)

officer_roles = sa.Table(
    "officer_roles",
    metadata,
    sa.Column("officer_id", sa.ForeignKey("officers.id"), primary_key=True),
    sa.Column("role", sa.Text, primary_key=True),
    sa.Column("from_at", sa.DateTime(timezone=True), primary_key=True),
    sa.Column("until_at", sa.DateTime(timezone=True)),
)

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", sa.Integer, sa.Identity(always=True), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("network", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("content_sha256", sa.LargeBinary, nullable=False),
    sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
)

evidence = sa.Table(
    "order_evidence",
    metadata,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

signatures = sa.Table(
    "order_signatures",
    metadata,
    sa.Column("order_id", sa.ForeignKey("orders.id"), primary_key=True),
    sa.Column("officer_id", sa.ForeignKey("officers.id"), primary_key=True),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    sa.Column("certificate_sha256", sa.LargeBinary, nullable=False),
    sa.Column("certificates", ARRAY(sa.LargeBinary), nullable=False),
    sa.Column("crls", ARRAY(sa.LargeBinary), nullable=False),
    sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("ocsps", ARRAY(sa.LargeBinary), nullable=False),
)

acceptances = sa.Table(
    "order_acceptances",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("order_id", sa.ForeignKey("orders.id"), nullable=False),
    sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("tip_height", sa.Integer),
)

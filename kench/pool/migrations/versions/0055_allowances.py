"""What browsers and addresses have asked for lately: one count for all cabinets of a database."""

from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

# A digest of a browser's secret, or of an address; forgotten within the hour.
STATEMENTS = """
CREATE TABLE allowances (
    asked          text NOT NULL CHECK (asked IN ('entry', 'wrong')),
    subject_sha256 bytea NOT NULL CHECK (octet_length(subject_sha256) = 32),
    level          double precision NOT NULL CHECK (level >= 0),
    at             timestamptz NOT NULL,
    PRIMARY KEY (asked, subject_sha256)
);
CREATE INDEX allowances_by_time ON allowances (at);
GRANT SELECT, INSERT, UPDATE (level, at), DELETE ON allowances TO kench_cabinet;
"""


def upgrade() -> None:
    """Make the table, and grant."""
    op.execute(STATEMENTS)


def downgrade() -> None:
    """Take it away: counts begin at nought."""
    op.execute("DROP TABLE allowances")

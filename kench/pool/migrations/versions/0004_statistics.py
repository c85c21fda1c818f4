"""Refusals by user agent."""

from alembic import op

revision = "0004"
down_revision = "0002"
branch_labels = None
depends_on = None

# What was counted before has no user agent.
REFUSALS = """
ALTER TABLE refusals
    ADD COLUMN user_agent text NOT NULL DEFAULT '' CHECK (char_length(user_agent) <= 128),
    DROP CONSTRAINT refusals_pkey,
    ADD PRIMARY KEY (participant_id, worker_id, reason, user_agent);
"""


def upgrade() -> None:
    """Count refusals by user agent as well."""
    op.execute(REFUSALS)


def downgrade() -> None:
    """Refuse: the counts of several user agents are not one row any more."""
    raise NotImplementedError("restore a backup to go back before the statistics")

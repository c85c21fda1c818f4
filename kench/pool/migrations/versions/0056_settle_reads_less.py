"""Settlement and the sale read what their code reads: rights that no statement of theirs uses go.

They came with rights that were given for all tables at once.
"""

from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

SETTLE = (
    "front_ends", "licence_warnings", "lot_deposits", "lot_resolutions", "lot_ways",
    "network_hours", "participant_days", "participant_hours",
    "participant_ten_minutes", "pool_live", "reconciliations", "refusals", "sale_halts",
    "statistics_positions", "statistics_rollups", "worker_days", "worker_hours", "worker_live",
    "worker_statistics", "worker_ten_minutes",
)  # fmt: skip
SELL = ("lot_ways",)


def upgrade() -> None:
    """Take them away."""
    for role, names in (("kench_settle", SETTLE), ("kench_sell", SELL)):
        for name in names:
            op.execute(f"REVOKE SELECT ON {name} FROM {role}")  # noqa: S608 - names above


def downgrade() -> None:
    """Give them back."""
    for role, names in (("kench_settle", SETTLE), ("kench_sell", SELL)):
        for name in names:
            op.execute(f"GRANT SELECT ON {name} TO {role}")

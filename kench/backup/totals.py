"""What the books come to, in a few numbers that only grow."""

from typing import Any, NamedTuple, Self

import sqlalchemy as sa

from kench.backup.errors import RestoreError
from kench.pool.database import Role, open_engine

_GROW = ("transfers", "transfers_sum", "shares")


class Totals(NamedTuple):
    """The books at a moment."""

    schema: str
    positions: dict[int, int]
    """Up to which share each journal is settled."""
    transfers: int
    transfers_sum: int
    """Satoshi and tyiyn of all of them; of use for comparing alone."""
    shares: int

    def as_object(self) -> dict[str, Any]:
        """Return it as the manifest holds it."""
        return self._asdict() | {
            "positions": {str(key): one for key, one in self.positions.items()}
        }

    @classmethod
    def of_object(cls, found: dict[str, Any]) -> Self:
        """Read what a manifest holds."""
        positions = {int(key): one for key, one in found["positions"].items()}
        return cls(**{**found, "positions": positions})


def read_totals(url: str, application_name: str) -> Totals:
    """Read them in one snapshot, which other work does not wait for."""
    engine = open_engine(
        url, Role.READ, application_name=application_name, pool_size=1, statement_timeout_s=0
    )
    try:
        with engine.connect() as opened:
            connection = opened.execution_options(isolation_level="REPEATABLE READ")
            schema = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
            positions = connection.execute(
                sa.text("SELECT instance, next_sequence FROM journal_positions ORDER BY 1")
            )
            held = {row[0]: row[1] for row in positions}
            count, whole = connection.execute(
                sa.text("SELECT count(*), coalesce(sum(amount), 0) FROM transfers")
            ).one()
            shares = connection.scalar(sa.text("SELECT coalesce(sum(accepted), 0) FROM totals"))
    finally:
        engine.dispose()
    return Totals(str(schema), held, int(count), int(whole), int(shares or 0))


def check_between(before: Totals, found: Totals, after: Totals | None) -> None:
    """Raise RestoreError unless a database is of a moment between two others."""
    wrong = [
        name
        for name in _GROW
        if getattr(found, name) < getattr(before, name)
        or (after is not None and getattr(found, name) > getattr(after, name))
    ]
    for instance in sorted(before.positions.keys() | found.positions.keys()):
        at = found.positions.get(instance, 0)
        above = after.positions.get(instance, 0) if after is not None else at
        if not before.positions.get(instance, 0) <= at <= above:
            wrong.append(f"position of journal {instance}")
    if wrong:
        raise RestoreError(
            f"the restored database is not what was backed up: {', '.join(wrong)}; make another"
        )


def check_behind(found: Totals, records: dict[int, int]) -> None:
    """Raise RestoreError where the books have taken in shares that the journals do not hold."""
    ahead = [
        f"journal {instance} by {at - records.get(instance, 0)}"
        for instance, at in sorted(found.positions.items())
        if at > records.get(instance, 0)
    ]
    if ahead:
        raise RestoreError(
            f"the database is ahead of the journals ({', '.join(ahead)} shares): take the newer "
            "journals of the main machine or the standby by --journal"
        )

"""How many rows PostgreSQL's tables have, and how much disk they take with their indexes."""

from typing import TypedDict

import sqlalchemy as sa

# Partitions count as their table.
_SIZES = sa.text(
    """
    SELECT coalesce(parent.relname, child.relname) AS name,
           sum(pg_total_relation_size(child.oid)) AS bytes
      FROM pg_class AS child
      LEFT JOIN pg_inherits ON inhrelid = child.oid
      LEFT JOIN pg_class AS parent ON parent.oid = inhparent
     WHERE child.relkind = 'r' AND child.relnamespace = 'public'::regnamespace
       AND has_table_privilege(coalesce(parent.oid, child.oid), 'SELECT')
     GROUP BY 1
    """
)
# An empty table has pages of its indexes; what is this small says nothing of a row.
ROWS_MIN = 100


class TableSize(TypedDict):
    """One table with its partitions, indexes and values kept apart."""

    rows: int
    bytes: int


def table_sizes(connection: sa.Connection) -> dict[str, TableSize]:
    """Return each readable table that has rows enough to tell what one takes."""
    found: dict[str, TableSize] = {}
    for name, size in connection.execute(_SIZES).all():
        rows = connection.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar_one()
        if rows >= ROWS_MIN:
            found[name] = TableSize(rows=rows, bytes=int(size))
    return found

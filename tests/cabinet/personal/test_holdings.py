"""No column that can tell of a person is held without a purpose, a ground and a time."""

from collections.abc import Mapping

import sqlalchemy as sa

from kench.cabinet.personal.holdings import FORGETTING, HOLDINGS, Forgetting
from kench.pool.database import open_engine

TELLING = {
    "pin", "pin_1", "pin_2", "name", "address", "agent", "user_agent", "tax_number", "holder",
    "target", "claims", "title", "label", "counterparty", "document", "content", "certificates",
    "signature", "signature_1", "signature_2", "phone", "email", "detail",
    "addresses",
}  # fmt: skip
"""Names of columns under which something of a person may stand."""
OF_NOBODY: Mapping[str, str] = {
    "account_classes": "whose kind of money an account shows",
    "account_balances": "a view of them",
    "blocks": "work of the pool",
    "circulars": "what is told to all participants",
    "desk_templates": "texts that officers begin with",
    "leases": "which process does a work: names of machines",
    "lots": "a deposit address of a venue",
    "manifests": "what a block paid, by participants' numbers; signed by the system",
    "report_forms": "what is asked of all participants",
    "trail_anchors": "a day of the trail, signed by the system",
    "worker_statistics": "a view of workers",
}


def tables_of(database: str) -> dict[str, set[str]]:
    query = """
        SELECT c.relname, array_agg(a.attname) FROM pg_class AS c
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
            AND NOT c.relispartition
        GROUP BY c.relname
    """
    engine = open_engine(database, application_name="test")
    with engine.connect() as db:
        rows = db.execute(sa.text(query)).all()
    engine.dispose()
    return {name: {str(column) for column in columns} for name, columns in rows}


def test_each_column_that_can_tell_of_a_person_is_named(module_database: str) -> None:
    named = {
        (table, column)
        for one in HOLDINGS
        for table, columns in one.columns.items()
        for column in columns.split()
    }
    there = tables_of(module_database)
    telling = {
        (table, column)
        for table, columns in there.items()
        for column in columns & TELLING
        if table not in OF_NOBODY
    }
    assert telling - named == set()
    assert {(table, column) for table, column in named if column not in there[table]} == set()
    assert OF_NOBODY.keys() <= there.keys()


def test_each_says_what_for_by_which_law_and_how_long() -> None:
    assert len({one.key for one in HOLDINGS}) == len(HOLDINGS)
    assert all(one.purpose and one.ground and one.kept_for and one.seen_by for one in HOLDINGS)
    assert FORGETTING.keys() == set(Forgetting)

"""What each role of PostgreSQL may do, line by line in a file that is read at review.

A migration that gives or takes a right changes `tests/pool/grants.txt`:
`KENCH_TEST_WRITE_GRANTS=1 .venv/bin/python -m pytest tests/pool/test_grants.py` writes it anew.
"""

import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.pool.database import Role

FILE = Path(__file__).with_name("grants.txt")
HEAD = "# role, then what it may do to which table (columns in brackets), sequence or function\n"
TABLES = """
    SELECT pg_get_userbyid(a.grantee) AS role, c.relkind::text AS kind, c.relname AS name,
           a.privilege_type AS right, NULL AS part
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a
    WHERE n.nspname = 'public' AND a.grantee <> c.relowner
    UNION ALL
    SELECT pg_get_userbyid(a.grantee), 'r', c.relname, a.privilege_type, t.attname
    FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(t.attacl) a
    WHERE n.nspname = 'public' AND a.grantee <> c.relowner AND NOT t.attisdropped
    UNION ALL
    SELECT pg_get_userbyid(a.grantee), 'f', p.proname, a.privilege_type, NULL
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, aclexplode(p.proacl) a
    WHERE n.nspname = 'public' AND a.grantee <> p.proowner AND a.grantee <> 0
"""
PUBLIC = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
    aclexplode(c.relacl) a WHERE n.nspname = 'public' AND a.grantee = 0
"""
DEFINERS = """
    SELECT p.proname || coalesce(' ' || array_to_string(p.proconfig, ' '), '') AS found
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'public' AND p.prosecdef
"""


def lines_of(engine: sa.Engine) -> list[str]:
    """`role: name: RIGHT, RIGHT (column, column)`, in order."""
    rights: dict[tuple[str, str], dict[str, list[str]]] = {}
    with engine.connect() as db:
        for row in db.execute(sa.text(TABLES)):
            if row.role in set(Role):
                parts = rights.setdefault((row.role, row.name), {}).setdefault(row.right, [])
                parts += [row.part] if row.part else []
    return [
        f"{role}: {name}: "
        + ", ".join(
            right + (f" ({', '.join(sorted(parts))})" if parts else "")
            for right, parts in sorted(of.items())
        )
        for (role, name), of in sorted(rights.items())
    ]


def test_each_role_may_do_what_the_file_says_and_no_more(engine: sa.Engine) -> None:
    text = HEAD + "\n".join(lines_of(engine)) + "\n"
    if os.environ.get("KENCH_TEST_WRITE_GRANTS"):
        FILE.write_text(text)
    assert text.splitlines() == FILE.read_text().splitlines()


def test_no_role_may_truncate_make_triggers_or_give_rights_on(engine: sa.Engine) -> None:
    kept = [line for line in lines_of(engine) if "TRUNCATE" in line or "TRIGGER" in line]
    assert kept == []
    with engine.connect() as db:
        assert db.execute(sa.text(PUBLIC)).all() == []
        for role in Role:
            asked = {
                "is no superuser": "SELECT NOT (rolsuper OR rolcreaterole OR rolcreatedb OR "
                "rolreplication OR rolbypassrls OR rolcanlogin) FROM pg_roles WHERE rolname = :r",
                "may make nothing": "SELECT NOT has_schema_privilege(:r, 'public', 'CREATE')",
                "is in no other role": "SELECT NOT EXISTS (SELECT 1 FROM pg_auth_members "
                "WHERE member = CAST(:r AS regrole))",
            }
            for what, statement in asked.items():
                assert db.execute(sa.text(statement), {"r": role.value}).scalar(), (role, what)


def test_what_runs_with_the_owners_rights_finds_its_tables_by_a_fixed_path(
    engine: sa.Engine,
) -> None:
    with engine.connect() as db:
        found = db.execute(sa.text(DEFINERS)).scalars().all()
    assert [one for one in found if "search_path=" not in one] == []


@pytest.mark.parametrize("role", [role.value for role in Role])
def test_what_was_signed_booked_or_sealed_is_changed_by_no_role(role: str) -> None:
    """A reader of the file sees it there; here it is said as a rule."""
    kept = {
        "transfers", "accounts", "block_credits", "block_outputs", "manifests", "orders",
        "order_signatures", "signed_acts", "income_records", "income_closings", "trail_seals",
        "trail_anchors", "lot_settlements", "lot_settlement_lines", "bank_entries", "screenings",
    }  # fmt: skip
    lines = [line.split(": ") for line in FILE.read_text().splitlines() if line[0] != "#"]
    assert kept <= {name for _, name, _ in lines}
    changed = [
        (name, rights)
        for of, name, rights in lines
        if of == role and name in kept and ("UPDATE" in rights or "DELETE" in rights)
    ]
    assert not changed

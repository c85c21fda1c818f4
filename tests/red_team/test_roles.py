"""Whoever takes over one process of the pool has its role in PostgreSQL: what can he do with it?"""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from kench.pool.database import Role, open_engine

EVERYBODY = tuple(role.value for role in Role)
OUT = {
    "another role": "SET ROLE {other}",
    "its owner": "SET SESSION AUTHORIZATION DEFAULT; UPDATE orders SET number = number",
    "rules of the tables": "SET session_replication_role = replica",
    "a table without its rules": "ALTER TABLE transfers DISABLE TRIGGER ALL",
    "a function of its own": "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "a table of its own": "CREATE TABLE public.f (a int)",
    "a schema before ours": "CREATE SCHEMA evil",
    "a program": "COPY (SELECT 1) TO PROGRAM 'id'",
    "a file": "COPY (SELECT 1) TO '/tmp/kench-red-team'",
    "a file that is read": "SELECT pg_read_file('postgresql.conf')",
    "the server's log": "SET log_statement = 'none'",
    "a password": "SELECT rolpassword FROM pg_authid",
    "whoever else is there": "SELECT pg_reload_conf()",
    "all that was booked": "TRUNCATE transfers CASCADE",
    "the schema's version": "UPDATE alembic_version SET version_num = '0001'",
}
"""Ways out of a role."""
MONEY = {
    "whom blocks pay": "UPDATE orders SET content = content",
    "an order's signature": "UPDATE order_signatures SET signed_at = signed_at",
    "an order from before": "DELETE FROM orders",
    "what a block paid": "UPDATE block_outputs SET amount_sat = amount_sat + 1",
    "what a share earned": "UPDATE block_credits SET reward_sat = reward_sat + 1",
    "a line of the ledger": "UPDATE transfers SET amount = amount + 1",
    "a line that was": "DELETE FROM transfers",
    "what a proof says": "UPDATE manifests SET signature = signature",
    "a proof that was": "DELETE FROM manifests",
    "what a lot brought": "DELETE FROM lot_settlements",
    "who shares a lot": "DELETE FROM lot_shares",
    "a fill": "UPDATE fills SET amount_sat = 1",
    "what was said of coins": "DELETE FROM screenings",
    "an account at the bank": "UPDATE bank_accounts SET number = number",
    "what the bank said": "DELETE FROM bank_entries",
    "what the tax service was told": "UPDATE income_records SET sold_sat = 0",
    "the trail": "DELETE FROM trail_seals",
    "a signed act": "UPDATE signed_acts SET content = content",
}
"""What nobody's process may change: each is refused before any row is looked at."""
NOT_THEIRS = {
    "a reward": ("INSERT INTO block_credits DEFAULT VALUES", {Role.SETTLE}),
    "a line of the ledger": ("INSERT INTO transfers DEFAULT VALUES", {Role.SETTLE, Role.SELL}),
    "a lot": ("INSERT INTO lots DEFAULT VALUES", {Role.SELL}),
    "a lot's state": ("UPDATE lots SET state = state", {Role.SELL}),
    "a fill": ("INSERT INTO fills DEFAULT VALUES", {Role.SELL}),
    "a settlement": ("INSERT INTO lot_settlements DEFAULT VALUES", {Role.SELL}),
    "a verdict on coins": ("INSERT INTO screenings DEFAULT VALUES", {Role.SELL}),
    "a payout": ("INSERT INTO payouts DEFAULT VALUES", {Role.SELL}),
    "a payout's state": ("UPDATE payouts SET state = state", {Role.SELL}),
    "a manifest": ("INSERT INTO manifests DEFAULT VALUES", {Role.SETTLE}),
    "work": ("UPDATE totals SET work_hashes = work_hashes", {Role.SETTLE}),
    "the round": ("DELETE FROM open_round", {Role.SETTLE}),
    "positions of journals": ("UPDATE journal_positions SET next_sequence = 0", {Role.SETTLE}),
    "an officer": ("INSERT INTO officers DEFAULT VALUES", set()),
    "an officer's role": ("INSERT INTO officer_roles DEFAULT VALUES", set()),
    "a signed act": ("INSERT INTO signed_acts DEFAULT VALUES", {Role.CABINET}),
    "a login": ("INSERT INTO logins DEFAULT VALUES", {Role.CABINET}),
    "a token": ("UPDATE participant_tokens SET revoked_at = NULL", {Role.CABINET}),
    "logins that are read": ("SELECT * FROM logins", {Role.CABINET}),
    "papers that are read": ("SELECT * FROM attachments", {Role.CABINET}),
    "digests of tokens that are read": ("SELECT sha256 FROM participant_tokens", {Role.STRATUM}),
}
"""What some may, and nobody else."""


@pytest.fixture(params=EVERYBODY)
def taken(
    request: pytest.FixtureRequest, database: str, engine: sa.Engine
) -> Iterator[tuple[str, sa.Engine]]:
    """A role, and connections of an account that has this one and no other, as deploy/ makes it."""
    account = f"red_{request.param}"
    with engine.begin() as db:
        there = sa.text("SELECT 1 FROM pg_roles WHERE rolname = :name")
        if db.execute(there, {"name": account}).scalar() is None:
            db.exec_driver_sql(f"CREATE ROLE {account} LOGIN IN ROLE {request.param}")
    url = sa.make_url(database).set(username=account).render_as_string(hide_password=False)
    opened = open_engine(url, Role(request.param), application_name="red team", pool_size=1)
    yield request.param, opened
    opened.dispose()


def refused(engine: sa.Engine, statement: str) -> bool:
    """Whether PostgreSQL says that there is no right to it (42501), and nothing else."""
    with engine.connect() as db, db.begin() as attempt:
        try:
            db.exec_driver_sql(statement)
        except DBAPIError as error:
            return getattr(error.orig, "pgcode", None) == "42501"
        attempt.rollback()
    return False


def names_something(owner: sa.Engine, statement: str) -> bool:
    """Whether the owner's refusal, if any, is not that a table or column is not there."""
    with owner.connect() as db, db.begin() as attempt:
        try:
            db.exec_driver_sql(f"EXPLAIN {statement}")
        except DBAPIError as error:
            return getattr(error.orig, "pgcode", None) not in {"42P01", "42703"}
        attempt.rollback()
    return True


def test_each_trick_names_tables_and_columns_that_are_there(engine: sa.Engine) -> None:
    """Else a trick would be refused for its spelling, and its test say nothing."""
    tried = [*MONEY.values(), *(statement for statement, _ in NOT_THEIRS.values())]
    assert [one for one in tried if not names_something(engine, one)] == []


def test_out_of_a_role_there_is_no_way(taken: tuple[str, sa.Engine]) -> None:
    role, process = taken
    other = next(one for one in EVERYBODY if one != role)
    tricks = {what: words.format(other=other) for what, words in OUT.items()}
    assert [what for what, words in tricks.items() if not refused(process, words)] == []


def test_what_was_signed_booked_or_said_stays_whoever_is_taken(
    taken: tuple[str, sa.Engine],
) -> None:
    _, process = taken
    assert [what for what, words in MONEY.items() if not refused(process, words)] == []


def test_a_process_does_the_work_of_no_other(taken: tuple[str, sa.Engine]) -> None:
    role, process = taken
    others = {what: words for what, (words, who) in NOT_THEIRS.items() if role not in who}
    assert [what for what, words in others.items() if not refused(process, words)] == []

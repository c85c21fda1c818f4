"""No statement of the cabinet reads a whole table that grows: asked of all rooms, and explained.

What a small world has is copied ten thousand times. Then each room is asked once, the threads that
work beside the rooms look once, and PostgreSQL explains every statement that they sent.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from sqlalchemy.dialects import postgresql

from kench.cabinet.access.grants import Kind
from kench.cabinet.alerts.sending import Sender
from kench.cabinet.alerts.watch import AlertWatch
from kench.cabinet.cabinet import Cabinet
from kench.cabinet.desk.sealing import Sealer
from kench.cabinet.inspections.reading import FOUND, MINING, WORKED
from kench.cabinet.inspections.sharing import CROWDS
from kench.cabinet.inspections.weighing import HOURS
from kench.cabinet.login.revoked import RevokedLogins
from kench.cabinet.login.sweep import Sweep
from kench.cabinet.numbers.country import WHOLE
from kench.cabinet.numbers.live import WorkerState
from kench.cabinet.numbers.workers import Sort
from kench.cabinet.registration.due import DueWork
from kench.cabinet.registration.outcomes import calendar_of
from kench.cabinet.reports.work import ReportWork
from kench.cabinet.sign_on.requests import open_sign_on, take_sign_on
from kench.cabinet.web.live import LiveFeed, Shown
from kench.cabinet.words.languages import Language
from kench.pool.clock import ManualClock, SystemClock
from kench.pool.database import open_engine
from tests.cabinet.numbers.test_plans import FILLED
from tests.cabinet.web import test_routes
from tests.cabinet.web.test_routes import Guard, Route, ask, of
from tests.support.cabinet import cabinet_of, client_in, client_of, routes_of
from tests.support.grants import granted
from tests.support.pki import PIN
from tests.support.registration import OFFICER_PIN, verifier_at

things = test_routes.things
ROWS_MANY = 2_000
COPIES = 6_000
APART = 1_000
"""Ids of copies are so far apart, more than the small world has of anything."""
BOOKS = {
    "accounts", "blocks", "block_credits", "fills", "lots", "lot_shares", "lot_settlements",
    "lot_settlement_lines", "payout_batches", "payouts", "transfers", "venue_orders",
    "bank_accounts", "income_records",
}  # fmt: skip
"""Filled by what the test of pages about money fills them by."""
SMALL = {
    "account_classes", "alembic_version", "application_queue", "countersignatures",
    "desk_templates", "front_ends", "income_closings", "income_forming", "income_periods",
    "leases",
    "ledger_flows", "open_suspensions", "order_drafts", "report_forms",
    "lot_ways", "notice_queue", "officer_roles", "officers", "order_acceptances", "orders",
    "pool_live", "report_queue", "report_runs", "settlement", "statistics_rollups",
}  # fmt: skip
"""What does not grow with participants, workers or time, or stays at a few hundred for years."""
ALIKE = {("reports", "kind"), ("report_reminders", "letter")}
"""Keys that many rows share, each with another owner."""
SPREAD = {("reports", "period"): "2010 + mod(n, 80) || to_char(1 + mod(n, 12), '-FM00')"}
"""Keys of copies that are of other months."""
BY_DIGEST = {"act_evidence": ("digest", "content"), "attachments": ("sha256", "content")}
KEYS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS kind,
        coalesce(bool_or(a.attnum = ANY(i.indkey)), false) AS is_key
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
    LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisunique
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
        AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
    GROUP BY c.relname, a.attname, a.attnum, kind ORDER BY c.relname, a.attnum
"""
MADE_UP = """
INSERT INTO acts (at, person_id, act, subject, outcome, address, detail)
    VALUES (now(), 1, 'login', 'x', 'done', '', '');
INSERT INTO alert_rules (participant_id, kind, bound, channel, target, language, quiet_from,
        quiet_until, made_at, made_by)
    SELECT 1, kind, 20, 'bot', '1', 'ky', 0, 0, now(), 1
    FROM unnest(ARRAY['silent', 'low', 'refused']) AS kind;
INSERT INTO alert_states SELECT id, now(), '{}' FROM alert_rules;
INSERT INTO mail_addresses (person_id, address, language, added_at)
    VALUES (1, 'somebody@example.kg', 'ky', now());
INSERT INTO mail_links (address_id, secret_sha256, expires_at)
    VALUES (1, sha256('x'), now() + interval '1 d');
INSERT INTO alert_messages (rule_id, event, title, body, queued_at, due_at, state, path)
    SELECT id, 'begun', 'x', 'x', now(), now(), 'sent', '' FROM alert_rules;
INSERT INTO alert_messages (address_id, event, title, body, queued_at, due_at, state, path, about)
    VALUES (1, 'letter', 'x', 'x', now(), now(), 'sent', '', 'somewhat that happened:1');
INSERT INTO drafts VALUES (1, 'application', '{}', now());
INSERT INTO entry_proofs (login_id, person_id, way, claims, certificates, crls, ocsps, at)
    VALUES (1, 1, 'certificate', '', '{}', '{}', '{}', now());
INSERT INTO sign_on_requests VALUES (sha256('x'), sha256('x'), '/', now(), now() + interval '1 h');
INSERT INTO message_reads SELECT id, 2, now() FROM messages;
INSERT INTO message_answers SELECT id, 1, 2, now() FROM messages;
"""
"""What the small world has not; it is nobody's that the rooms are asked by, or says nothing."""
MORE = """
-- Notices that were entered: of those that wait there are never many.
INSERT INTO notice_events OVERRIDING SYSTEM VALUE
    SELECT (jsonb_populate_record(NULL::notice_events, to_jsonb(one)
        || jsonb_build_object('id', id + 500, 'state', 'done'))).*
    FROM notice_events AS one WHERE notice_id > 500;
INSERT INTO worker_live SELECT participant_id, id, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, now(), 1, now(),
    1, '' FROM workers ON CONFLICT DO NOTHING;
INSERT INTO pool_live SELECT 1, now(), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 ON CONFLICT DO NOTHING;
INSERT INTO refusals SELECT participant_id, id, 'stale', 1 FROM workers;
INSERT INTO income_records (doc_ref, period, participant_id, day, asset, doc_type, accrued_sat,
        sold_sat, gross_tyiyn, venue_fee_tyiyn, pool_fee_tyiyn, net_tyiyn, paid_tyiyn, content,
        sha256, made_at)
    SELECT 'KG-' || month || '-' || who || '-' || month || '-05-1', month, who,
        (month || '-05')::date, asset, 'new', 0, 0, 0, 0, 0, 0, 0, content, sha256, made_at
    FROM income_records, generate_series(1000, 7000) AS who,
        LATERAL (SELECT to_char(date '2018-01-05' + mod(who, 90) * interval '1 month', 'YYYY-MM')
            AS month) AS months;
INSERT INTO worker_groups (participant_id, name) SELECT id, 'hall' FROM participants;
INSERT INTO worker_group_members SELECT workers.id, participant_id, worker_groups.id
    FROM workers JOIN worker_groups USING (participant_id);
"""
LEVELS = {"ten_minutes": "hour", "hours": "hour", "days": "day"}
ROLL_UPS = """
INSERT INTO worker_{level} SELECT participant_id, id, at, 1, 0, 0, 0, 0, 1
    FROM workers, generate_series(0, 1) AS n,
        LATERAL (SELECT date_trunc('hour', now()) - n * interval '1 {step}' AS at) AS steps;
INSERT INTO participant_{level} SELECT id, at, 1, 0, 0, 0, 0, 1
    FROM participants, generate_series(0, 1) AS n,
        LATERAL (SELECT date_trunc('hour', now()) - n * interval '1 {step}' AS at) AS steps;
"""


KNOWN = {
    "SELECT count(*) FROM participants WHERE state = 'active'",
    (
        "SELECT count(*) AS blocks, coalesce(sum(reward_sat), 0) AS reward_sat FROM blocks"
        " WHERE state <> 'orphaned'"
    ),
}
"""They read a whole table and may: what the front page shows, read once for all its visitors."""
SIMULATION = "/* simulation */"
"""Stands in what an order's simulation asks: of all participants' days, once, in a turn of few."""
COMPARISON = "/* comparison */"
"""Stands in what compares a month's income with the books: all of that month, for one officer."""
KNOWN |= {
    " ".join(str(one.compile(dialect=postgresql.psycopg2.dialect())).split())
    for one in (*WHOLE, WORKED, FOUND, MINING, HOURS, CROWDS)
}
"""The country's month, and everybody's risk: kept for minutes, for all officers."""
STATEMENTS_MIN = 130
"""So many different ones are sent at least, or the rooms were not let in."""
PARTIAL = """
    SELECT relname FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indpred IS NOT NULL
"""


def copied(columns: list[Any], table: str) -> str:
    """Return what copies a table's rows, each under keys of its own and of other owners."""
    values = []
    for column in columns:
        name, kind = column.attname, column.kind
        if kind in {"integer", "bigint"} and (
            column.is_key or name.endswith("_id") or name == "id"
        ):
            values.append(f"{name} + n * {APART}")
        elif (table, name) in SPREAD:
            values.append(SPREAD[table, name])
        elif name == "expires_at":
            # Of what is over a part is forgotten each minute: there is never more of it than that.
            values.append("greatest(expires_at, now() + interval '1 day')")
        elif (table, name) == ("logins", "seen_at"):
            # The small world's people came on a day of its own, which today's "idle" knows not.
            values.append("greatest(seen_at, now())")
        elif name in {"pin", "tax_number"}:
            values.append(f"({name}::bigint + n * {APART})::text")
        elif table in BY_DIGEST and name in BY_DIGEST[table]:
            content = "content || int4send(n::integer)"
            values.append(content if name == "content" else f"sha256({content})")
        elif kind == "bytea" and column.is_key:
            values.append(f"sha256({name} || n::text::bytea)")
        elif kind == "text" and column.is_key and (table, name) not in ALIKE:
            values.append(f"left(encode(sha256(({name} || n)::bytea), 'hex'), length({name}))")
        else:
            values.append(name)
    names = ", ".join(column.attname for column in columns)
    return (
        f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT {', '.join(values)}"
        f" FROM (SELECT *, count(*) OVER () AS of_all FROM {table}) AS small,"
        f" generate_series(1, {COPIES} / of_all) AS n"
    )


@pytest.fixture(scope="module")
def filled(module_database: str, things: dict[str, str]) -> dict[str, str]:
    """The small world, and ten thousand of everything beside it."""
    engine = open_engine(module_database, application_name="test")
    with engine.begin() as db:
        things["secret"] = granted(
            db, int(things["participant_id"]), Kind.KEY, now_us=SystemClock().now_us()
        )
        db.exec_driver_sql("SET LOCAL session_replication_role = replica")
        db.exec_driver_sql(MADE_UP)
        tables: dict[str, list[Any]] = {}
        for column in db.exec_driver_sql(KEYS):
            tables.setdefault(column.relname, []).append(column)
        for table in tables.keys() - SMALL - BOOKS:
            if db.exec_driver_sql(f"SELECT FROM {table} LIMIT 1").rowcount:
                db.exec_driver_sql(copied(tables[table], table))
        db.exec_driver_sql(FILLED)
        db.exec_driver_sql(MORE)
        for level, step in LEVELS.items():
            db.exec_driver_sql(ROLL_UPS.format(level=level, step=step))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.exec_driver_sql("ANALYZE")
    engine.dispose()
    return things


@pytest.fixture(scope="module")
def cabinet(module_database: str, filled: dict[str, str]) -> Iterator[Cabinet]:
    del filled
    clock = ManualClock(SystemClock().now_us())
    with cabinet_of(module_database, clock=clock, verifier=verifier_at()) as made:
        yield made


def asked_of_rooms(cabinet: Cabinet, things: dict[str, str]) -> None:
    """Ask every route there is, and the lists in each order."""
    owner, officer = client_in(cabinet, PIN), client_in(cabinet, OFFICER_PIN)
    keyed = client_of(cabinet)
    keyed.headers["Authorization"] = f"Bearer {things['secret']}"
    routes = [Route(*one) for one in routes_of(owner.app)]  # type: ignore[arg-type]
    ordered = sorted(routes, key=lambda route: (route.method != "GET", route.path == "/leave"))
    for route in of(ordered, *Guard):
        if route.path.endswith("/live"):
            continue
        who = officer if route.guards == [Guard.DESK] else owner
        ask(keyed if route.guards == [Guard.KEYED] else who, route, things)
    for whose in (things["participant_id"], "1"):
        for sort in Sort:
            for state in ("", *WorkerState):
                owner.get(f"/p/{whose}/workers?sort={sort}&state={state}&search=r&group=1")
    for wanted in (f"person={PIN}", "act=view", "participant=7", "day=2026-11-23"):
        officer.get(f"/desk/trail?{wanted}&before=1795456800000000-99")


def asked_beside_rooms(cabinet: Cabinet) -> None:
    """Have the threads look that work beside the rooms."""
    DueWork(cabinet.engine, cabinet.clock, CollectorRegistry()).look()
    ReportWork(
        cabinet.engine, cabinet.clock, lambda at_us: calendar_of(cabinet, at_us),
        CollectorRegistry(),
    ).look()  # fmt: skip
    Sweep(cabinet.engine, cabinet.clock).look()
    RevokedLogins(
        cabinet.engine, cabinet.clock, lists=tuple, checker=None,  # type: ignore[arg-type]
        asks=False, idle_us=86_400 * 1_000_000,
    ).look()  # fmt: skip
    with cabinet.engine.begin() as db:
        state = open_sign_on(
            db, browser=b"b" * 32, next_path="", now_us=cabinet.clock.now_us(),
            random_bytes=cabinet.random_bytes,
        )  # fmt: skip
        take_sign_on(db, state, browser=b"b" * 32, now_us=cabinet.clock.now_us())
    alerts = AlertWatch(
        cabinet.engine, Sender(cabinet.settings, cabinet.clock), cabinet.clock, "http://x",
        random_bytes=cabinet.random_bytes, registry=CollectorRegistry(),
    )  # fmt: skip
    alerts.look()
    alerts.send()
    Sealer(cabinet.engine, CollectorRegistry()).look()
    feed = LiveFeed(cabinet)
    feed._read({Shown(1, Language.EN), Shown(1, Language.EN, 1)}, frozenset())
    feed._may_see([(1, 1)])


def whole_reads(plan: dict[str, Any], sizes: dict[str, float], partial: set[str]) -> Iterator[str]:
    """Yield the large tables of which a plan reads every row, or all of an index of all rows."""
    whole = plan["Node Type"] == "Seq Scan" or (
        plan["Node Type"] in {"Index Scan", "Index Only Scan"}
        and "Index Cond" not in plan
        and plan["Index Name"] not in partial
    )
    if whole and sizes.get(plan["Relation Name"], 0) >= ROWS_MANY:
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        # What is under a limit stops there.
        if plan["Node Type"] != "Limit" or part["Node Type"] == "Sort":
            yield from whole_reads(part, sizes, partial)


def whole_reads_of(db: sa.Connection, statement: str, parameters: Any = ()) -> set[str]:
    """Return what one statement reads whole, as PostgreSQL says."""
    rows = db.exec_driver_sql("SELECT relname, reltuples FROM pg_class")
    sizes = {row.relname: row.reltuples for row in rows}
    partial = set(db.exec_driver_sql(PARTIAL).scalars())
    (plan,) = db.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
    return set(whole_reads(plan["Plan"], sizes, partial))


def test_no_statement_reads_a_whole_table(cabinet: Cabinet, filled: dict[str, str]) -> None:
    asked: dict[str, Any] = {}

    def keep(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if re.match(r"\s*(SELECT|WITH|UPDATE|DELETE|INSERT)", statement):
            one = parameters[0] if isinstance(parameters, list) else parameters
            asked.setdefault(statement, one)

    sa.event.listen(cabinet.engine, "before_cursor_execute", keep)
    asked_of_rooms(cabinet, filled)
    asked_beside_rooms(cabinet)
    sa.event.remove(cabinet.engine, "before_cursor_execute", keep)
    assert len(asked) > STATEMENTS_MIN
    faults = []
    with cabinet.engine.connect() as db:
        # Of tables that are read from solid disks.
        db.exec_driver_sql("SET LOCAL random_page_cost = 1.1")
        for statement, parameters in asked.items():
            found = whole_reads_of(db, statement, parameters or ())
            known = (
                any(one in statement for one in (SIMULATION, COMPARISON))
                or " ".join(statement.split()) in KNOWN
            )
            if found and not known:
                faults.append(f"{sorted(found)} by {statement}\nwith {parameters}")
    assert not faults, "\n\n".join(faults)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM workers WHERE name = 'rig1'",
        "SELECT * FROM blocks WHERE state = 'pending'",
        "SELECT count(*) FROM acts WHERE outcome = 'done'",
        "SELECT * FROM worker_days WHERE worker_id = 7",
        "DELETE FROM logins WHERE address = '192.0.2.7'",
    ],
)
def test_a_statement_without_an_index_is_found(cabinet: Cabinet, statement: str) -> None:
    with cabinet.engine.connect() as db:
        assert whole_reads_of(db, statement)

"""What pages about money ask goes by an index, in books of years with many participants."""

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.numbers.earnings import (
    Place,
    first_found,
    place_of,
    read_block,
    read_blocks,
    read_days,
    read_stages,
)
from kench.cabinet.numbers.payouts import read_account, read_payouts
from kench.cabinet.numbers.steps import read_steps
from kench.payouts.statements.statement import period_of
from kench.pool.database import open_engine
from tests.support.signing import cabinet_engine

BLOCKS, PARTICIPANTS = 2_000, 12
BIG = ("blocks", "block_credits", "transfers", "lots", "lot_shares", "lot_settlements",
       "lot_settlement_lines", "fills", "venue_orders", "payouts", "accounts")  # fmt: skip
HASH = "encode(sha256(n::text::bytea), 'hex')"
AT = f"'2026-11-01 00:00+06'::timestamptz - ({BLOCKS} - n) * interval '4 hours'"
FILLED = f"""
SET LOCAL session_replication_role = replica;
INSERT INTO participants (name)
    SELECT 'x' FROM generate_series(1, {PARTICIPANTS});
INSERT INTO blocks (hash, height, instance, sequence, job_key, reward_sat, finder, found_at,
        credited, state, attempts, credits)
    SELECT {HASH}, 800000 + n, 0, n, 1, 312500000, '1.rig', {AT}, true, 'mature', 1, {PARTICIPANTS}
    FROM generate_series(1, {BLOCKS}) AS n;
INSERT INTO block_credits (block_hash, participant_id, work_hashes, reward_sat)
    SELECT {HASH}, who, 1000000, 1000000
    FROM generate_series(1, {BLOCKS}) AS n, generate_series(1, {PARTICIPANTS}) AS who;
INSERT INTO lots (block_hash, vout, coinbase_txid, height, venue, address, output_sat, amount_sat,
        venues_order, made_at, changed_at, state, sold_sat)
    SELECT {HASH}, 0, {HASH}, 800000 + n, 'paper', 'a', 312500000, 312500000, 1, {AT}, {AT},
        CASE WHEN n > {BLOCKS} - 5 THEN 'selling' ELSE 'settled' END, 0
    FROM generate_series(1, {BLOCKS}) AS n;
INSERT INTO lot_shares SELECT block_hash, 0, participant_id, reward_sat FROM block_credits;
INSERT INTO lot_settlements
    SELECT {HASH}, 0, {HASH} || ':0', 312500000, 1000000, 0, 0, 1000000, 0, 1, {AT}
    FROM generate_series(1, {BLOCKS}) AS n;
INSERT INTO lot_settlement_lines
    SELECT block_hash, 0, participant_id, reward_sat, 1000 FROM block_credits;
INSERT INTO venue_orders (client_id, block_hash, vout, slice, venue, amount_sat, limit_price,
        reference_price, sale_order, licence_order, intended_at, state, ended_at)
    SELECT substr({HASH}, 1, 32), {HASH}, 0, 1, 'paper', 1, 1, 1, 1, 1, {AT}, 'cancelled', {AT}
    FROM generate_series(1, {BLOCKS}) AS n;
INSERT INTO fills (venue, trade_id, client_id, block_hash, vout, amount_sat, price, cost, fee,
        gross_tyiyn, fee_tyiyn, at, booked_at, raw)
    SELECT 'paper', n, substr({HASH}, 1, 32), {HASH}, 0, 1, 1, 1, 0, 100, 0, {AT}, {AT}, ''
    FROM generate_series(1, {BLOCKS}) AS n;
INSERT INTO accounts (code) SELECT 'participant:' || who || kind
    FROM generate_series(1, {BLOCKS}) AS who, unnest(ARRAY['', ':kgs']) AS kind;
INSERT INTO transfers (id, kind, asset, debit_account, credit_account, amount, subject, reference,
        created_at)
    SELECT posting_id('post', 'settlement', {HASH}, 'participant:' || who, 'trade:btc'), 'post',
        'BTC', 'participant:' || who, 'trade:btc', 1000000, 'settlement', {HASH}, {AT}
    FROM generate_series(1, {BLOCKS}) AS n, generate_series(1, {PARTICIPANTS}) AS who
    UNION ALL
    SELECT posting_id('post', 'settlement', {HASH}, 'trade:kgs', 'participant:' || who || ':kgs'),
        'post', 'KGS', 'trade:kgs', 'participant:' || who || ':kgs', 1000, 'settlement', {HASH},
        {AT}
    FROM generate_series(1, {BLOCKS}) AS n, generate_series(1, {PARTICIPANTS}) AS who;
INSERT INTO bank_accounts SELECT who, 1, 'h', '1', '109018', NULL, '2026-01-01'
    FROM generate_series(1, {PARTICIPANTS}) AS who;
INSERT INTO payout_batches SELECT n, 'clients', 'M-' || n, {AT}, 1, 1, 1, 'x', sha256('x')
    FROM generate_series(1, 300) AS n;
INSERT INTO payouts (end_to_end_id, participant_id, amount_tyiyn, batch, account_version, state,
        changed_at)
    SELECT 'K-' || n || '-' || who, who, 1000, n, 1, 'booked', {AT}
    FROM generate_series(1, 300) AS n, generate_series(1, {PARTICIPANTS}) AS who;
"""
NEWEST = sa.text("SELECT hash FROM blocks ORDER BY found_at DESC LIMIT 1")


@pytest.fixture(scope="module")
def engine(module_database: str) -> Iterator[sa.Engine]:
    owner = open_engine(module_database, application_name="test")
    with owner.begin() as db:
        # Colons are part of the texts here, no places.
        db.exec_driver_sql(FILLED)
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.exec_driver_sql("ANALYZE")
    owner.dispose()
    opened = cabinet_engine(module_database)
    yield opened
    opened.dispose()


def newest(db: sa.Connection) -> str:
    return str(db.scalar(NEWEST))


def steps(db: sa.Connection) -> object:
    block = read_block(db, 7, newest(db))
    assert block is not None
    return read_steps(db, 7, block)


def older(db: sa.Connection) -> object:
    place = place_of(db, newest(db))
    assert isinstance(place, Place)
    return read_blocks(db, 7, most=51, before=place)


QUERIES: dict[str, Callable[[sa.Connection], object]] = {
    "stages": lambda db: read_stages(db, [7]),
    "days": lambda db: read_days(db, 7, period_of("2026-10")),
    "blocks": lambda db: read_blocks(db, 7, most=51),
    "older blocks": older,
    "blocks of a month": lambda db: read_blocks(
        db, 7, most=20_001, since=period_of("2026-10").begins
    ),
    "a block": steps,
    "first": lambda db: first_found(db, 7),
    "payouts": lambda db: read_payouts(db, 7, most=51),
    "account": lambda db: read_account(db, 7),
}


@pytest.mark.parametrize("name", QUERIES)
def test_no_page_reads_a_whole_table(engine: sa.Engine, name: str) -> None:
    asked: list[tuple[str, object]] = []

    def keep(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        asked.append((statement, parameters))

    with engine.connect() as db:
        sa.event.listen(db, "before_cursor_execute", keep)
        assert QUERIES[name](db)
        sa.event.remove(db, "before_cursor_execute", keep)
        # Of tables that are read from solid disks; those of years would not need it.
        db.exec_driver_sql("SET LOCAL random_page_cost = 1.1")
        whole, plans = [], []
        for statement, parameters in asked:
            plan = db.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars().all()  # type: ignore[arg-type]
            plans += plan
            whole += [line for line in plan if "Seq Scan" in line
                      and line.split(" on ")[1].split()[0] in BIG]  # fmt: skip
    assert not whole, "\n".join(plans)

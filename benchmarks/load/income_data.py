"""A month of a pool of many participants as PostgreSQL has it: written at once, by PostgreSQL.

One block a day, mature and settled on the same day, of which all participants have a part; each is
paid every day for the day before. Fills, settlements, lines and the ledger agree to the last unit.
"""

import sqlalchemy as sa

PERIOD = "2026-10"
REWARD_SAT = 312_500_000
PRICE_TYIYN = 800_000_000
"""For one bitcoin."""
GROSS_TYIYN = REWARD_SAT * PRICE_TYIYN // 100_000_000
VENUE_FEE_TYIYN, POOL_FEE_TYIYN = GROSS_TYIYN // 500, GROSS_TYIYN // 50

_HASH = "encode(sha256(('block' || n)::bytea), 'hex')"
_AT = "timestamptz '2026-10-01 04:00:00+06' + (n - 1) * interval '1 day'"
# What is left of a whole after equal parts goes to the first ones.
_PART = ":whole / :participants + CASE WHEN who <= mod(:whole, :participants) THEN 1 ELSE 0 END"


def _part(whole: int) -> str:
    return f"({_PART})".replace(":whole", f"{whole}::bigint")


FILL = f"""
SET LOCAL session_replication_role = replica;
SET LOCAL synchronous_commit = off;
INSERT INTO participants (name, created_at)
    SELECT 'ОсОО «Катышуучу» № ' || n, now() FROM generate_series(1, :participants) AS n;
INSERT INTO register_entries (participant_id, version, content, act_id, entered_by, at)
    SELECT n, 1, jsonb_build_object('applicant', jsonb_build_object('kind', 'entity', 'name',
        'ОсОО «Катышуучу» № ' || n, 'tax_number', lpad(n::text, 14, '0')), 'certificate',
        jsonb_build_object('number', 'KG-' || n, 'issued', '2026-01-01'), 'equipment',
        '[{{"planned_kwh_month": 2500}}]'::jsonb), 1, 1, now()
    FROM generate_series(1, :participants) AS n;
INSERT INTO blocks (hash, height, instance, sequence, job_key, reward_sat, finder, found_at,
        credited, state, attempts, credits, coinbase_txid)
    SELECT {_HASH}, 900000 + n, 0, n, 1, {REWARD_SAT}, '1.rig', {_AT} - interval '17 hours', true,
        'mature', 1, :participants, {_HASH} FROM generate_series(1, :days) AS n;
INSERT INTO block_credits (block_hash, participant_id, work_hashes, reward_sat)
    SELECT {_HASH}, who, 123456789012345678, {_part(REWARD_SAT)}
    FROM generate_series(1, :days) AS n, generate_series(1, :participants) AS who;
INSERT INTO lots (block_hash, vout, coinbase_txid, height, venue, address, output_sat, amount_sat,
        venues_order, made_at, changed_at, state, sold_sat)
    SELECT {_HASH}, 0, {_HASH}, 900000 + n, 'paper', 'a', {REWARD_SAT}, {REWARD_SAT}, 1, {_AT},
        {_AT}, 'settled', {REWARD_SAT} FROM generate_series(1, :days) AS n;
INSERT INTO venue_orders (client_id, block_hash, vout, slice, venue, amount_sat, limit_price,
        reference_price, sale_order, licence_order, intended_at, state, ended_at, filled_sat)
    SELECT substr({_HASH}, 1, 32), {_HASH}, 0, 1, 'paper', {REWARD_SAT}, 1, 1, 1, 1, {_AT},
        'filled', {_AT}, {REWARD_SAT} FROM generate_series(1, :days) AS n;
INSERT INTO fills (venue, trade_id, client_id, block_hash, vout, amount_sat, price, cost, fee,
        gross_tyiyn, fee_tyiyn, at, booked_at, raw)
    SELECT 'paper', n || '-' || slice, substr({_HASH}, 1, 32), {_HASH}, 0, {REWARD_SAT // 5},
        {PRICE_TYIYN // 100}, {GROSS_TYIYN // 500}, {VENUE_FEE_TYIYN // 500}, {GROSS_TYIYN // 5},
        {VENUE_FEE_TYIYN // 5}, {_AT}, {_AT}, ''
    FROM generate_series(1, :days) AS n, generate_series(1, 5) AS slice;
INSERT INTO lot_settlements
    SELECT {_HASH}, 0, {_HASH} || '\\:0', {REWARD_SAT}, {GROSS_TYIYN}, {VENUE_FEE_TYIYN},
        {POOL_FEE_TYIYN}, {GROSS_TYIYN - VENUE_FEE_TYIYN - POOL_FEE_TYIYN}, 20000, 1, {_AT}
    FROM generate_series(1, :days) AS n;
INSERT INTO lot_settlement_lines
    SELECT {_HASH}, 0, who, {_part(REWARD_SAT)},
        {_part(GROSS_TYIYN - VENUE_FEE_TYIYN - POOL_FEE_TYIYN)}, {_part(VENUE_FEE_TYIYN)},
        {_part(POOL_FEE_TYIYN)}
    FROM generate_series(1, :days) AS n, generate_series(1, :participants) AS who;
INSERT INTO transfers (id, kind, pending_id, asset, debit_account, credit_account, amount, subject,
        reference, block_hash, attempt, created_at)
    SELECT sha256((kind || n || '/' || who)::bytea), kind, CASE kind WHEN 'post' THEN
            sha256(('pend' || n || '/' || who)::bytea) END, 'BTC', 'coinbase',
        'participant\\:' || who, {_part(REWARD_SAT)}, 'block', {_HASH}, {_HASH}, 1,
        {_AT} - CASE kind WHEN 'pend' THEN interval '17 hours' ELSE interval '0' END
    FROM generate_series(1, :days) AS n, unnest(ARRAY['pend', 'post']) AS kind,
        generate_series(1, :participants) AS who;
INSERT INTO transfers (id, kind, asset, debit_account, credit_account, amount, subject, reference,
        created_at)
    SELECT posting_id('post', 'settlement', {_HASH} || '\\:0', debit, credit), 'post', asset, debit,
        credit, amount, 'settlement', {_HASH} || '\\:0', {_AT} + interval '1 hour'
    FROM generate_series(1, :days) AS n, generate_series(1, :participants) AS who, LATERAL (VALUES
        ('BTC', 'participant\\:' || who, 'trade\\:btc', {_part(REWARD_SAT)}),
        ('KGS', 'trade\\:kgs', 'participant\\:' || who || '\\:kgs',
            {_part(GROSS_TYIYN - VENUE_FEE_TYIYN - POOL_FEE_TYIYN)})
    ) AS leg (asset, debit, credit, amount);
INSERT INTO transfers (id, kind, asset, debit_account, credit_account, amount, subject, reference,
        created_at)
    SELECT posting_id('post', 'settlement', {_HASH} || '\\:0', 'trade\\:kgs', credit), 'post',
        'KGS', 'trade\\:kgs', credit, amount, 'settlement', {_HASH} || '\\:0',
        {_AT} + interval '1 hour'
    FROM generate_series(1, :days) AS n, LATERAL (VALUES
        ('fee\\:venue\\:paper', {VENUE_FEE_TYIYN}), ('fee\\:pool', {POOL_FEE_TYIYN})
    ) AS fee (credit, amount);
INSERT INTO transfers (id, kind, pending_id, asset, debit_account, credit_account, amount, subject,
        reference, created_at)
    SELECT posting_id(kind, 'payout', reference, debit, 'bank\\:clients'), kind,
        CASE kind WHEN 'post' THEN posting_id('pend', 'payout', reference, debit,
            'bank\\:clients') END, 'KGS', debit, 'bank\\:clients',
        {_part(GROSS_TYIYN - VENUE_FEE_TYIYN - POOL_FEE_TYIYN)}, 'payout', reference,
        {_AT} + interval '1 day' + interval '6 hours'
    FROM generate_series(1, :days - 1) AS n, unnest(ARRAY['pend', 'post']) AS kind,
        generate_series(1, :participants) AS who, LATERAL (SELECT 'KENCH-' || lpad(n::text, 8, '0')
            || '-' || lpad(who::text, 10, '0') AS reference,
            'participant\\:' || who || '\\:kgs' AS debit) AS named;
INSERT INTO exchange_rates
    SELECT 'USD', date '2026-10-01' + n - 1, 87.45 + n * 0.01, 'benchmark', now()
    FROM generate_series(1, :days) AS n;
INSERT INTO accounts (code) SELECT DISTINCT account FROM transfers,
    LATERAL (VALUES (debit_account), (credit_account)) AS sides (account) ON CONFLICT DO NOTHING;
UPDATE accounts SET debits_posted = sums.debits, credits_posted = sums.credits,
    transfers = sums.lines FROM (
        SELECT account, coalesce(sum(debit) FILTER (WHERE kind = 'post'), 0) AS debits,
            coalesce(sum(credit) FILTER (WHERE kind = 'post'), 0) AS credits, count(*) AS lines
        FROM transfers, LATERAL (VALUES (debit_account, amount, 0), (credit_account, 0, amount))
            AS sides (account, debit, credit) GROUP BY account
    ) AS sums WHERE code = account AND class LIKE 'participant%';
"""


def fill_month(engine: sa.Engine, participants: int, days: int) -> None:
    """Write the month into an empty database at the newest schema."""
    values = {"participants": participants, "days": days}
    with engine.begin() as connection:
        for statement in FILL.split(";\n"):
            if statement.strip():
                connection.execute(sa.text(statement), values)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))

"""What must hold in the books from share to bank: one list, for tests, audits and campaigns.

    settled shares >= totals;  rewards of blocks = credits = lines of the ledger
    coinbase outputs of mature blocks = lots
    lots = fills + what is on offer + what is left over + what is not sold yet
    fills = lines of the ledger;  settlements = their lines = lines of the ledger
    balances of participants = rewards - sold - written off, and proceeds - payouts
    accounts of trade and venues = lots that are not settled, deposits, fills, money at the bank

Each is one question to PostgreSQL whose rows are differences in words. None of them trusts a sum
that a trigger keeps: all add up rows again. `recompute` settles every lot anew besides.
"""

from collections.abc import Iterator
from decimal import Decimal

import sqlalchemy as sa

from kench.payouts.proceeds import tables
from kench.payouts.proceeds.settlement import settle
from kench.payouts.proceeds.write import Lot, read_fills, read_settlement, read_shares
from kench.pool.errors import KenchError
from kench.pool.orders.book import NoOrderError, OrderBook
from kench.pool.orders.rules import Fee, InForce

TYIYN_PER_SOM = 100

_LEDGER = {
    "accounts = transfers": """
        WITH sides AS (
            SELECT debit_account AS code, kind, pending_id, amount AS debit, 0 AS credit
            FROM transfers
            UNION ALL SELECT credit_account, kind, pending_id, 0, amount FROM transfers
        ), sums AS (
            SELECT code,
                sum(CASE WHEN kind = 'pend' THEN debit WHEN pending_id IS NULL THEN 0
                    ELSE -debit END) AS debits_pending,
                sum(CASE WHEN kind = 'post' THEN debit ELSE 0 END) AS debits_posted,
                sum(CASE WHEN kind = 'pend' THEN credit WHEN pending_id IS NULL THEN 0
                    ELSE -credit END) AS credits_pending,
                sum(CASE WHEN kind = 'post' THEN credit ELSE 0 END) AS credits_posted,
                count(*) AS transfers
            FROM sides GROUP BY code
        )
        SELECT 'account ' || code || ' is not what its transfers make it' AS words
        FROM accounts FULL JOIN sums USING (code)
        WHERE (coalesce(accounts.debits_pending, -1), coalesce(accounts.debits_posted, -1),
               coalesce(accounts.credits_pending, -1), coalesce(accounts.credits_posted, -1),
               coalesce(accounts.transfers, -1))
            <> (coalesce(sums.debits_pending, 0), coalesce(sums.debits_posted, 0),
                coalesce(sums.credits_pending, 0), coalesce(sums.credits_posted, 0),
                coalesce(sums.transfers, 0))""",
    "debits = credits": """
        SELECT asset || ': debits are ' || sum(debits_posted) || ' and ' || sum(debits_pending)
            || ' pending, credits ' || sum(credits_posted) || ' and ' || sum(credits_pending)
        FROM accounts GROUP BY asset
        HAVING sum(debits_posted) <> sum(credits_posted)
            OR sum(debits_pending) <> sum(credits_pending)""",
    "no account below zero": """
        SELECT 'account ' || code || ' has ' || posted || ' and ' || leaving || ' leave it'
        FROM account_balances JOIN account_classes USING (class)
        WHERE posted < leaving AND NOT may_overdraw""",
}
_BLOCKS = {
    "totals = settled shares": """
        SELECT 'totals have ' || counted || ' shares, and ' || settled || ' were settled'
        FROM (SELECT coalesce(sum(accepted), 0) AS counted FROM totals) AS totals,
            (SELECT coalesce(sum(next_sequence - repeats), 0) AS settled
             FROM journal_positions) AS positions
        WHERE counted > settled""",
    "credits of blocks = rewards": """
        WITH credited AS (
            SELECT block_hash AS hash, sum(reward_sat) AS sat, count(*) AS credits
            FROM block_credits GROUP BY 1
        )
        SELECT 'block ' || hash || ' pays ' || coalesce(reward_sat, 0)
            || ' sat, and its credits are ' || coalesce(sat, 0)
        FROM blocks FULL JOIN credited USING (hash)
        WHERE coalesce(credited.credits, 0) <> coalesce(blocks.credits, 0)
            OR sat <> reward_sat OR (sat IS NULL AND attempts > 0)""",
    "rewards of blocks = lines": """
        WITH booked AS (
            SELECT block_hash AS hash, sum(amount) FILTER (WHERE kind = 'pend') AS pended,
                sum(amount) FILTER (WHERE kind = 'post') AS posted,
                sum(amount) FILTER (WHERE kind = 'void') AS voided
            FROM transfers WHERE subject = 'block' GROUP BY 1
        )
        SELECT 'block ' || hash || ' is ' || coalesce(state, 'not there') || ' at attempt '
            || coalesce(attempts, 0) || ', and its lines in the ledger are of another'
        FROM blocks FULL JOIN booked USING (hash)
        WHERE state IS NULL
            OR (coalesce(pended, 0), coalesce(posted, 0), coalesce(voided, 0)) <> (
                attempts * reward_sat,
                CASE WHEN state = 'mature' THEN reward_sat ELSE 0 END,
                CASE WHEN state = 'orphaned' THEN attempts ELSE greatest(attempts - 1, 0) END
                    * reward_sat)""",
}
_LOTS = {
    "outputs of mature blocks = lots": """
        SELECT 'lot ' || lots.coinbase_txid || '\\:' || lots.vout || ' is of ' || lots.output_sat
            || ' sat and its output of ' || coalesce(block_outputs.amount_sat, 0)
        FROM lots LEFT JOIN block_outputs USING (block_hash, vout)
        WHERE lots.output_sat IS DISTINCT FROM block_outputs.amount_sat
            AND EXISTS (SELECT FROM block_outputs AS any_output
                        WHERE any_output.block_hash = lots.block_hash)
        UNION ALL
        SELECT 'block ' || block_hash || ' has lots of ' || sum(output_sat) || ' sat and paid '
            || max(reward_sat)
        FROM lots JOIN blocks ON blocks.hash = lots.block_hash
        GROUP BY block_hash HAVING sum(output_sat) <> max(reward_sat)""",
    "shares of lots = credits": """
        WITH carried AS (
            SELECT to_block_hash AS block_hash, participant_id,
                sum(lot_remainders.amount_sat) AS amount_sat
            FROM lot_carries JOIN lot_remainders USING (block_hash, vout)
            WHERE kind = 'carried' GROUP BY 1, 2
        ), shared AS (
            SELECT block_hash, participant_id, sum(amount_sat) AS amount_sat
            FROM lot_shares GROUP BY 1, 2
        )
        SELECT 'participant ' || participant_id || ' has '
            || coalesce(shared.amount_sat, 0) - coalesce(carried.amount_sat, 0)
            || ' sat in the lots of block ' || block_hash || ' and a credit of '
            || coalesce(due.reward_sat, 0)
        FROM (SELECT * FROM block_credits WHERE block_hash IN (SELECT block_hash FROM lots)) AS due
        FULL JOIN shared USING (block_hash, participant_id)
        LEFT JOIN carried USING (block_hash, participant_id)
        WHERE coalesce(shared.amount_sat, 0) - coalesce(carried.amount_sat, 0)
            <> coalesce(due.reward_sat, 0)""",
    "lots = fills + offers + remainders": """
        SELECT 'lot ' || coinbase_txid || '\\:' || vout || ' (' || state || ') of ' || amount_sat
            || ' sat has ' || sold || ' sold, ' || open || ' on offer and ' || remains
            || ' left over, and says ' || sold_sat || ', ' || open_sat || ' and ' || left_sat
        FROM lots, LATERAL (
            SELECT
                (SELECT coalesce(sum(amount_sat), 0) FROM fills
                 WHERE (block_hash, vout) = (lots.block_hash, lots.vout)) AS sold,
                (SELECT coalesce(sum(offered.amount_sat - (
                    SELECT coalesce(sum(fills.amount_sat), 0) FROM fills
                    WHERE fills.client_id = offered.client_id)), 0)
                 FROM venue_orders AS offered WHERE ended_at IS NULL
                 AND (block_hash, vout) = (lots.block_hash, lots.vout)) AS open,
                (SELECT coalesce(sum(amount_sat), 0) FROM lot_remainders
                 WHERE (block_hash, vout) = (lots.block_hash, lots.vout)) AS remains
        ) AS counted
        WHERE (sold, open, remains) <> (sold_sat, open_sat, left_sat)
            OR sold + open + remains > amount_sat
            OR (state IN ('sold', 'settled', 'written_off')
                AND (sold + remains <> amount_sat OR open <> 0))""",
    "a venue order is filled once": """
        SELECT 'venue order ' || client_id || ' is of ' || max(venue_orders.amount_sat)
            || ' sat and was filled for ' || sum(fills.amount_sat)
        FROM venue_orders JOIN fills USING (client_id) GROUP BY client_id
        HAVING sum(fills.amount_sat) > max(venue_orders.amount_sat)
            OR sum(fills.amount_sat) <> max(venue_orders.filled_sat)""",
}
_LINES = {
    "deposits = lines": """
        WITH credited AS (
            SELECT DISTINCT coinbase_txid || '\\:' || vout AS reference, output_sat, venue
            FROM lots JOIN lot_events USING (block_hash, vout) WHERE goes_to = 'screening'
        ), booked AS (
            SELECT reference, sum(CASE credit_account WHEN 'coinbase' THEN amount
                ELSE -amount END) AS amount
            FROM transfers WHERE subject = 'lot' GROUP BY reference
        )
        SELECT 'the deposit of lot ' || reference || ' is ' || coalesce(output_sat, 0)
            || ' sat, and in the ledger ' || coalesce(amount, 0)
        FROM credited FULL JOIN booked USING (reference)
        WHERE coalesce(output_sat, 0) <> coalesce(amount, 0)""",
    "fills = lines": """
        WITH due AS (
            SELECT fills.venue || '\\:' || trade_id AS reference, lines.*
            FROM fills, lines_of_fill(fills) AS lines
        ), booked AS (
            SELECT reference, debit_account, credit_account, amount FROM transfers
            WHERE subject = 'fill'
        )
        SELECT 'fill ' || reference || ' is not in the ledger as it is' FROM (
            (SELECT * FROM due EXCEPT ALL SELECT * FROM booked)
            UNION (SELECT * FROM booked EXCEPT ALL SELECT * FROM due)
        ) AS odd GROUP BY reference""",
    "settlements = lines": """
        WITH due AS (
            SELECT reference, lines.*
            FROM lot_settlements, lines_of_settlement(reference) AS lines
        ), booked AS (
            SELECT reference, debit_account, credit_account, amount FROM transfers
            WHERE subject = 'settlement'
        )
        SELECT 'the settlement of lot ' || reference || ' is not in the ledger as it is' FROM (
            (SELECT * FROM due EXCEPT ALL SELECT * FROM booked)
            UNION (SELECT * FROM booked EXCEPT ALL SELECT * FROM due)
        ) AS odd GROUP BY reference""",
    "write-offs = lines": """
        WITH due AS (
            SELECT lines.* FROM lots, lines_of_write_off(block_hash, vout) AS lines
        ), booked AS (
            SELECT reference, debit_account, amount FROM transfers WHERE subject = 'write_off'
        )
        SELECT 'the write-off of lot ' || reference || ' is not in the ledger as it is' FROM (
            (SELECT * FROM due EXCEPT ALL SELECT * FROM booked)
            UNION (SELECT * FROM booked EXCEPT ALL SELECT * FROM due)
        ) AS odd GROUP BY reference""",
    "payouts = lines": """
        WITH booked AS (
            SELECT reference AS end_to_end_id,
                sum(amount) FILTER (WHERE kind = 'pend') AS pended,
                sum(amount) FILTER (WHERE kind = 'post' AND pending_id IS NOT NULL) AS posted,
                sum(amount) FILTER (WHERE kind = 'void') AS voided,
                sum(amount) FILTER (WHERE kind = 'post' AND pending_id IS NULL) AS returned
            FROM transfers WHERE subject = 'payout' GROUP BY reference
        )
        SELECT 'payout ' || end_to_end_id || ' is ' || coalesce(state, 'not there')
            || ', and its lines in the ledger are of another'
        FROM payouts FULL JOIN booked USING (end_to_end_id)
        WHERE state IS NULL OR (coalesce(pended, 0), coalesce(posted, 0), coalesce(voided, 0),
                                coalesce(returned, 0)) <> (
            amount_tyiyn,
            CASE WHEN state IN ('booked', 'returned') THEN amount_tyiyn ELSE 0 END,
            CASE WHEN state = 'rejected' THEN amount_tyiyn ELSE 0 END,
            CASE WHEN state = 'returned' THEN amount_tyiyn ELSE 0 END)""",
    "proceeds at the bank = lines": """
        WITH told AS (
            SELECT reference, amount_tyiyn FROM bank_entries WHERE outcome = 'venue_credited'
        ), booked AS (
            SELECT reference, CASE WHEN kind = 'post' AND debit_account = 'bank:clients'
                THEN amount END AS amount_tyiyn
            FROM transfers WHERE subject = 'bank'
        )
        SELECT 'reference ' || reference || ' of the bank is not in the ledger as told' FROM (
            (SELECT * FROM told EXCEPT ALL SELECT * FROM booked)
            UNION (SELECT * FROM booked EXCEPT ALL SELECT * FROM told)
        ) AS odd GROUP BY reference""",
}
_SETTLED = {
    "settled lots = settlements": """
        SELECT 'lot ' || coinbase_txid || '\\:' || lots.vout || ' is ' || state || ', and '
            || CASE WHEN reference IS NULL THEN 'has no settlement' ELSE 'has one' END
        FROM lots LEFT JOIN lot_settlements USING (block_hash, vout)
        WHERE (state = 'settled') <> (reference IS NOT NULL)
            OR reference <> coinbase_txid || '\\:' || lots.vout""",
    "no satoshi is sold twice": """
        WITH earned AS (
            SELECT participant_id, sum(block_credits.reward_sat) AS sat FROM block_credits
            JOIN blocks ON hash = block_hash WHERE state = 'mature' GROUP BY 1
        ), sold AS (
            SELECT participant_id, sum(amount_sat) AS sat FROM lot_settlement_lines GROUP BY 1
        )
        SELECT 'participant ' || participant_id || ' sold ' || sold.sat || ' sat and had '
            || coalesce(earned.sat, 0)
        FROM sold LEFT JOIN earned USING (participant_id)
        WHERE sold.sat > coalesce(earned.sat, 0)""",
}
_BALANCES = {
    "satoshi of participants = rewards - sold - written off": """
        WITH earned AS (
            SELECT participant_id, sum(block_credits.reward_sat) AS sat FROM block_credits
            JOIN blocks ON hash = block_hash WHERE state = 'mature' GROUP BY 1
        ), sold AS (
            SELECT participant_id, sum(amount_sat) AS sat FROM (
                SELECT participant_id, amount_sat FROM lot_settlement_lines
                UNION ALL
                SELECT participant_id, amount_sat FROM lot_remainders WHERE kind = 'written_off'
            ) AS gone GROUP BY 1
        ), has AS (
            SELECT coalesce(participant_id, 0) AS participant_id, posted FROM account_balances
            WHERE class IN ('participant', 'unassigned')
        )
        SELECT 'participant ' || participant_id || ' has ' || coalesce(posted, 0)
            || ' sat, and should have ' || coalesce(earned.sat, 0) - coalesce(sold.sat, 0)
        FROM has FULL JOIN earned USING (participant_id) FULL JOIN sold USING (participant_id)
        WHERE coalesce(posted, 0) <> coalesce(earned.sat, 0) - coalesce(sold.sat, 0)""",
    "tyiyn of participants = lines - payouts": """
        WITH earned AS (
            SELECT participant_id, sum(net_tyiyn) AS tyiyn FROM lot_settlement_lines GROUP BY 1
        ), paid AS (
            SELECT participant_id,
                sum(amount_tyiyn) FILTER (WHERE state = 'booked') AS tyiyn,
                sum(amount_tyiyn) FILTER (WHERE state = 'pended') AS pended
            FROM payouts WHERE participant_id <> 0 GROUP BY 1
        ), has AS (
            SELECT coalesce(participant_id, 0) AS participant_id, posted, leaving
            FROM account_balances WHERE class IN ('participant:kgs', 'unassigned:kgs')
        )
        SELECT 'participant ' || participant_id || ' has ' || coalesce(posted, 0) || ' tyiyn, '
            || coalesce(leaving, 0) || ' on their way, and should have '
            || coalesce(earned.tyiyn, 0) - coalesce(paid.tyiyn, 0) || ' and '
            || coalesce(paid.pended, 0)
        FROM has FULL JOIN earned USING (participant_id) FULL JOIN paid USING (participant_id)
        WHERE (coalesce(posted, 0), coalesce(leaving, 0))
            <> (coalesce(earned.tyiyn, 0) - coalesce(paid.tyiyn, 0), coalesce(paid.pended, 0))""",
    "accounts between = what is under way": """
        WITH due (code, amount) AS (
            SELECT 'coinbase', (SELECT coalesce(sum(reward_sat), 0) FROM blocks
                                WHERE state = 'mature')
                - (SELECT coalesce(sum(output_sat), 0) FROM lots WHERE EXISTS (
                    SELECT FROM lot_events WHERE goes_to = 'screening'
                    AND (block_hash, vout) = (lots.block_hash, lots.vout)))
            UNION ALL
            SELECT 'written_off', (SELECT coalesce(sum(amount_sat), 0) FROM lot_remainders
                WHERE kind = 'written_off')
            UNION ALL
            SELECT 'trade:btc', (SELECT coalesce(sum(amount_sat), 0) FROM fills
                WHERE NOT EXISTS (SELECT FROM lot_settlements AS settled
                    WHERE (settled.block_hash, settled.vout) = (fills.block_hash, fills.vout)))
            UNION ALL
            SELECT 'trade:kgs', (SELECT coalesce(sum(gross_tyiyn), 0) FROM fills
                WHERE NOT EXISTS (SELECT FROM lot_settlements AS settled
                    WHERE (settled.block_hash, settled.vout) = (fills.block_hash, fills.vout)))
            UNION ALL
            SELECT 'venue:' || venue || '\\:btc', sum(output_sat) FILTER (WHERE EXISTS (
                    SELECT FROM lot_events WHERE goes_to = 'screening'
                    AND (block_hash, vout) = (lots.block_hash, lots.vout)))
                - (SELECT coalesce(sum(amount_sat), 0) FROM fills WHERE venue = lots.venue)
            FROM lots GROUP BY venue
            UNION ALL
            SELECT 'venue:' || venue || '\\:kgs', sum(gross_tyiyn) - sum(fee_tyiyn) - (
                SELECT coalesce(sum(CASE debit_account WHEN 'bank:clients' THEN amount
                    ELSE -amount END), 0) FROM transfers WHERE subject = 'bank'
                AND 'venue:' || venue || '\\:kgs' IN (debit_account, credit_account))
            FROM fills GROUP BY venue
            UNION ALL
            SELECT 'fee:venue:' || venue, sum(fee_tyiyn) - (
                SELECT coalesce(sum(venue_fee_tyiyn), 0)
                FROM lot_settlements JOIN lots USING (block_hash, vout)
                WHERE lots.venue = fills.venue)
            FROM fills GROUP BY venue
            UNION ALL
            SELECT 'fee:pool', (SELECT coalesce(sum(pool_fee_tyiyn), 0) FROM lot_settlements)
                - (SELECT coalesce(sum(amount_tyiyn), 0) FROM payouts
                   WHERE participant_id = 0 AND state = 'booked')
        )
        SELECT 'account ' || code || ' has ' || coalesce(posted, 0) || ', and should have '
            || coalesce(amount, 0)
        FROM due LEFT JOIN account_balances USING (code)
        WHERE coalesce(amount, 0) <> coalesce(posted, 0)""",
}
INVARIANTS: dict[str, str] = {**_LEDGER, **_BLOCKS, **_LOTS, **_LINES, **_SETTLED, **_BALANCES}
"""Questions by the rule that they ask about."""


def differences(connection: sa.Connection) -> Iterator[str]:
    """Yield in words whatever is not as it must be; nothing where all holds."""
    for question in INVARIANTS.values():
        yield from connection.execute(sa.text(question)).scalars()


def recompute(connection: sa.Connection, orders: OrderBook | None) -> Iterator[str]:
    """Yield how the books differ where each settled lot is settled again from its fills.

    With no `orders` the rate that each settlement names is taken as it is.
    """
    columns = tables.lot_settlements.c
    rows = connection.execute(
        sa.select(
            columns.block_hash,
            columns.vout,
            columns.reference,
            columns.pool_ppm,
            columns.fee_order,
            tables.lots.c.height,
        )
        .join_from(
            tables.lot_settlements,
            tables.lots,
            sa.and_(
                tables.lots.c.block_hash == columns.block_hash, tables.lots.c.vout == columns.vout
            ),
        )
        .order_by(columns.block_hash, columns.vout)
    ).all()
    for row in rows:
        lot = Lot(row.block_hash, row.vout)
        fills = read_fills(connection, lot)
        try:
            fee = InForce(row.fee_order, Fee(row.pool_ppm))
            if orders is not None:
                fee = orders.fee_at(row.height)
            due = settle(fills, read_shares(connection, lot), fee)
        except (KenchError, NoOrderError) as error:
            yield f"lot {row.reference} cannot be settled again: {error}"
            continue
        if due != read_settlement(connection, lot):
            yield f"the settlement of lot {row.reference} is not what its fills make it"
    yield from _round_again(connection)


def _round_again(connection: sa.Connection) -> Iterator[str]:
    """Yield lots whose whole tyiyn are not their venue's money, rounded once."""
    columns = tables.fills.c
    rows = connection.execute(
        sa.select(
            columns.block_hash,
            columns.vout,
            sa.func.sum(columns.cost).label("cost"),
            sa.func.sum(columns.fee).label("fee"),
            sa.func.sum(columns.gross_tyiyn).label("gross"),
            sa.func.sum(columns.fee_tyiyn).label("fees"),
        ).group_by(columns.block_hash, columns.vout)
    )
    for row in rows:
        gross, fees = whole_tyiyn(row.cost), -whole_tyiyn(-row.fee)
        if (int(row.gross), int(row.fees)) != (gross, fees):
            yield (
                f"the fills of output {row.vout} of block {row.block_hash} are {row.gross} tyiyn "
                f"less {row.fees}, and should be {gross} less {fees}"
            )


def whole_tyiyn(som: Decimal) -> int:
    """Return the whole tyiyn of an amount in som, rounded down."""
    top, bottom = som.as_integer_ratio()
    return top * TYIYN_PER_SOM // bottom

"""Settlements of sold lots, and the ledger's lines about lots, fills and settlements held to them.

Rules that the database itself holds, whoever writes:
  - a line of the ledger about a deposit, a fill or a settlement says what the lot, the fill or the
    settlement says that it names; there is no other;
  - at commit a settlement is of a settled lot, its gross is that of the lot's fills, its fees are
    those of the fills and of the rate that it names, each participant has the satoshi that were
    sold of it and the tyiyn due for them, and all of this is in the ledger;
  - a lot is not settled without its settlement.
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE lot_settlements (
    block_hash text,
    vout integer,
    -- As the lines of the ledger name the lot: txid:vout.
    reference text NOT NULL UNIQUE,
    sold_sat bigint NOT NULL CHECK (sold_sat >= 0),
    gross_tyiyn bigint NOT NULL CHECK (gross_tyiyn >= 0),
    -- What participants bear of the venue's fees: all, but never more than the gross.
    venue_fee_tyiyn bigint NOT NULL CHECK (venue_fee_tyiyn >= 0),
    pool_fee_tyiyn bigint NOT NULL CHECK (pool_fee_tyiyn >= 0),
    net_tyiyn bigint NOT NULL CHECK (net_tyiyn >= 0),
    pool_ppm integer NOT NULL CHECK (pool_ppm BETWEEN 0 AND 1000000),
    -- The order of the authorised body that set the rate.
    fee_order integer NOT NULL,
    settled_at timestamptz NOT NULL,
    PRIMARY KEY (block_hash, vout),
    FOREIGN KEY (block_hash, vout) REFERENCES lots,
    CHECK (gross_tyiyn = venue_fee_tyiyn + pool_fee_tyiyn + net_tyiyn),
    CONSTRAINT pool_fee_is_of_its_rate CHECK (pool_fee_tyiyn = least(
        div(gross_tyiyn::numeric * pool_ppm, 1000000), gross_tyiyn - venue_fee_tyiyn))
);
CREATE INDEX lot_settlements_at ON lot_settlements (settled_at);
CREATE TABLE lot_settlement_lines (
    block_hash text,
    vout integer,
    participant_id bigint CHECK (participant_id >= 0),
    amount_sat bigint NOT NULL CHECK (amount_sat > 0),
    net_tyiyn bigint NOT NULL CHECK (net_tyiyn >= 0),
    PRIMARY KEY (block_hash, vout, participant_id),
    FOREIGN KEY (block_hash, vout) REFERENCES lot_settlements
);
CREATE INDEX lot_settlement_lines_participant ON lot_settlement_lines (participant_id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lot_settlements
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lot_settlement_lines
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""

# The lines that each thing has in the ledger; `kench.payouts.proceeds` writes the same.
LINES = """
CREATE FUNCTION lines_of_fill(fill fills)
RETURNS TABLE (debit_account text, credit_account text, amount bigint) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT * FROM (VALUES
        ('trade:btc', 'venue:' || fill.venue || '\\:btc', fill.amount_sat),
        ('venue:' || fill.venue || '\\:kgs', 'trade:kgs', fill.gross_tyiyn),
        ('fee:venue:' || fill.venue, 'venue:' || fill.venue || '\\:kgs', fill.fee_tyiyn)
    ) AS due (debit_account, credit_account, amount) WHERE due.amount > 0;
END;
CREATE FUNCTION lines_of_settlement(reference text)
RETURNS TABLE (debit_account text, credit_account text, amount bigint) LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT * FROM (
        SELECT CASE participant_id WHEN 0 THEN 'unassigned' ELSE 'participant:' || participant_id
            END, 'trade:btc', amount_sat
        FROM lot_settlements AS settled JOIN lot_settlement_lines USING (block_hash, vout)
        WHERE settled.reference = lines_of_settlement.reference
        UNION ALL
        SELECT 'trade:kgs', CASE participant_id WHEN 0 THEN 'unassigned'
            ELSE 'participant:' || participant_id END || '\\:kgs', lines.net_tyiyn
        FROM lot_settlements AS settled JOIN lot_settlement_lines AS lines USING (block_hash, vout)
        WHERE settled.reference = lines_of_settlement.reference
        UNION ALL
        SELECT 'trade:kgs', 'fee:pool', pool_fee_tyiyn FROM lot_settlements AS settled
        WHERE settled.reference = lines_of_settlement.reference
        UNION ALL
        SELECT 'trade:kgs', 'fee:venue:' || venue, venue_fee_tyiyn
        FROM lot_settlements AS settled JOIN lots USING (block_hash, vout)
        WHERE settled.reference = lines_of_settlement.reference
    ) AS due (debit_account, credit_account, amount) WHERE due.amount > 0;
END;
"""

CHECK_LINES = """
CREATE FUNCTION check_subjects() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    named text;
BEGIN
    IF NOT EXISTS (SELECT FROM added_rows WHERE subject IN ('lot', 'fill', 'settlement')) THEN
        RETURN NULL;
    ELSIF EXISTS (SELECT FROM added_rows WHERE subject IN ('lot', 'fill', 'settlement')
                  AND (kind <> 'post' OR pending_id IS NOT NULL)) THEN
        RAISE EXCEPTION 'deposits, fills and settlements are final at once'
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT added.reference INTO named FROM added_rows AS added
    WHERE added.subject = 'lot' AND NOT EXISTS (
        SELECT FROM lots
        WHERE (coinbase_txid, vout) = (split_part(added.reference, ':', 1),
            CASE WHEN split_part(added.reference, ':', 2) ~ '^[0-9]{1,9}$'
                THEN split_part(added.reference, ':', 2)::integer END)
        AND 'venue:' || venue || '\\:btc' IN (added.debit_account, added.credit_account)
        AND output_sat = added.amount
    );
    IF FOUND THEN
        RAISE EXCEPTION 'a line about lot % is not of its deposit', named
            USING ERRCODE = 'check_violation';
    END IF;
    SELECT added.reference INTO named FROM added_rows AS added
    WHERE added.subject = 'fill' AND NOT EXISTS (
        SELECT FROM fills, lines_of_fill(fills) AS due
        WHERE (fills.venue, fills.trade_id) = (split_part(added.reference, ':', 1),
            substr(added.reference, strpos(added.reference, ':') + 1))
        AND (due.debit_account, due.credit_account, due.amount)
            = (added.debit_account, added.credit_account, added.amount)
    );
    IF FOUND THEN
        RAISE EXCEPTION 'a line about fill % is not of it', named
            USING ERRCODE = 'check_violation';
    END IF;
    FOR named IN SELECT DISTINCT reference FROM added_rows WHERE subject = 'settlement' LOOP
        IF EXISTS (
            SELECT debit_account, credit_account, amount FROM added_rows
            WHERE (subject, reference) = ('settlement', named)
            EXCEPT SELECT * FROM lines_of_settlement(named)
        ) THEN
            RAISE EXCEPTION 'a line about the settlement of lot % is not of it', named
                USING ERRCODE = 'check_violation';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
CREATE TRIGGER check_subjects AFTER INSERT ON transfers REFERENCING NEW TABLE AS added_rows
    FOR EACH STATEMENT EXECUTE FUNCTION check_subjects();
"""

CHECK_SETTLEMENT = """
CREATE FUNCTION check_settlement() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    lot lots%ROWTYPE;
    gross bigint;
    fee bigint;
    wrong text;
BEGIN
    SELECT * INTO lot FROM lots WHERE (block_hash, vout) = (NEW.block_hash, NEW.vout);
    SELECT coalesce(sum(gross_tyiyn), 0), coalesce(sum(fee_tyiyn), 0) INTO gross, fee
    FROM fills WHERE (block_hash, vout) = (NEW.block_hash, NEW.vout);
    IF lot.state <> 'settled' OR NEW.reference <> lot.coinbase_txid || ':' || lot.vout THEN
        wrong := 'is of a lot that is not settled';
    ELSIF (NEW.sold_sat, NEW.gross_tyiyn, NEW.venue_fee_tyiyn)
            <> (lot.sold_sat, gross, least(fee, gross)) THEN
        wrong := 'does not sum up its fills';
    ELSIF NEW.net_tyiyn <> (SELECT coalesce(sum(net_tyiyn), 0) FROM lot_settlement_lines
                            WHERE (block_hash, vout) = (NEW.block_hash, NEW.vout)) THEN
        wrong := 'has lines that do not sum to it';
    ELSIF EXISTS (
        SELECT FROM (SELECT * FROM lot_settlement_lines
                     WHERE (block_hash, vout) = (NEW.block_hash, NEW.vout)) AS lines
        FULL JOIN (SELECT * FROM lot_sold_shares
                   WHERE (block_hash, vout) = (NEW.block_hash, NEW.vout) AND amount_sat > 0)
            AS sold USING (block_hash, vout, participant_id)
        WHERE lines.amount_sat IS DISTINCT FROM sold.amount_sat
            OR lines.net_tyiyn - div(NEW.net_tyiyn::numeric * sold.amount_sat, NEW.sold_sat)
                NOT IN (0, 1)
    ) THEN
        wrong := 'has a line that is not of what its participant sold';
    ELSIF EXISTS (
        -- The odd tyiyn go to the largest fractions, of equal ones to the lower id.
        WITH due AS (
            SELECT participant_id, mod(NEW.net_tyiyn::numeric * amount_sat, NEW.sold_sat) AS rest,
                net_tyiyn - div(NEW.net_tyiyn::numeric * amount_sat, NEW.sold_sat) AS odd
            FROM lot_settlement_lines WHERE (block_hash, vout) = (NEW.block_hash, NEW.vout)
        )
        SELECT FROM (SELECT * FROM due WHERE odd = 1 ORDER BY rest, participant_id DESC LIMIT 1)
            AS with_it,
            (SELECT * FROM due WHERE odd = 0 ORDER BY rest DESC, participant_id LIMIT 1)
            AS without
        WHERE (with_it.rest, -with_it.participant_id) < (without.rest, -without.participant_id)
    ) THEN
        wrong := 'gives an odd tyiyn to the wrong participant';
    ELSIF EXISTS (
        SELECT * FROM lines_of_settlement(NEW.reference)
        EXCEPT
        SELECT debit_account, credit_account, amount FROM transfers
        WHERE (subject, reference) = ('settlement', NEW.reference)
    ) THEN
        wrong := 'is not wholly in the ledger';
    ELSIF EXISTS (
        SELECT FROM fills, lines_of_fill(fills) AS due
        WHERE (fills.block_hash, fills.vout) = (NEW.block_hash, NEW.vout) AND NOT EXISTS (
            SELECT FROM transfers WHERE subject = 'fill'
            AND reference = fills.venue || ':' || fills.trade_id
            AND (debit_account, credit_account, amount)
                = (due.debit_account, due.credit_account, due.amount)
        )
    ) THEN
        wrong := 'has fills that are not in the ledger';
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'the settlement of lot % %', NEW.reference, wrong
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_settlement AFTER INSERT ON lot_settlements
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_settlement();
CREATE FUNCTION refuse_late_line() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM (SELECT DISTINCT block_hash, vout FROM added_rows) AS added
               JOIN lot_settlements AS settled USING (block_hash, vout)
               WHERE pg_current_xact_id()::xid <> settled.xmin) THEN
        RAISE EXCEPTION 'the lines of a settlement are written with it'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER with_its_settlement AFTER INSERT ON lot_settlement_lines
    REFERENCING NEW TABLE AS added_rows
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_late_line();
CREATE FUNCTION check_settled() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM lot_settlements
                   WHERE (block_hash, vout) = (NEW.block_hash, NEW.vout)) THEN
        RAISE EXCEPTION 'lot %:% has no settlement', NEW.coinbase_txid, NEW.vout
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER check_settled AFTER UPDATE OF state ON lots
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.state = 'settled')
    EXECUTE FUNCTION check_settled();
"""

GRANTS = """
GRANT SELECT ON lot_settlements, lot_settlement_lines TO kench_sell, kench_settle, kench_read;
GRANT SELECT ON block_outputs TO kench_sell;
GRANT INSERT ON lot_settlements, lot_settlement_lines TO kench_sell;
"""


def upgrade() -> None:
    """Make the tables of settlements and the checks around them."""
    for statements in (TABLES, LINES, CHECK_LINES, CHECK_SETTLEMENT, GRANTS):
        op.execute(statements)


def downgrade() -> None:
    """Refuse: books are not thrown away by a schema change."""
    raise NotImplementedError("the ledger is never downgraded: restore a backup instead")

"""Records = ledger = blocks and lots = fills, per participant and in total, to the last unit.

    records   sums of the documents in force
    ledger    final lines of participants' accounts
    books     credits of blocks, lines of settlements: what each was to get
    fills     trades of the lots that were settled

Of what nobody is known for (participant 0) there are no records: it is told beside them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from kench.payouts.income.facts import MOVES, SUMS
from kench.payouts.income.generate import SORT_KB, STATEMENT_S, over_until
from kench.payouts.income.tables import SUMS as COLUMNS
from kench.payouts.statements.statement import period_of

DIFFERENCES_MAX = 1_000
"""So many are told."""
NOBODY = 0
LEDGER = ("accrued_sat", "sold_sat", "net_tyiyn", "paid_tyiyn")
LINES = ("sold_sat", "gross_tyiyn", "venue_fee_tyiyn", "pool_fee_tyiyn", "net_tyiyn")
FILLS = ("sold_sat", "gross_tyiyn", "venue_fee_tyiyn")

_RECORDS = sa.text("""
    /* comparison */
    SELECT participant_id, sum(accrued_sat)::bigint AS accrued_sat,
        sum(sold_sat)::bigint AS sold_sat, sum(gross_tyiyn)::bigint AS gross_tyiyn,
        sum(venue_fee_tyiyn)::bigint AS venue_fee_tyiyn,
        sum(pool_fee_tyiyn)::bigint AS pool_fee_tyiyn, sum(net_tyiyn)::bigint AS net_tyiyn,
        sum(paid_tyiyn)::bigint AS paid_tyiyn
    FROM income_in_force WHERE period = :period
        AND day < CAST(CAST(:ends AS timestamptz) AT TIME ZONE INTERVAL '6 hours' AS date)
    GROUP BY participant_id
""")
_LEDGER = sa.text(f"""
    /* comparison */
    SELECT participant_id, {SUMS} FROM ({MOVES}) AS moves GROUP BY participant_id
""")  # noqa: S608 - constant parts
_UNASSIGNED = sa.text("""
    /* comparison */
    SELECT coalesce(sum(amount) FILTER (WHERE credit_account = 'unassigned'), 0)::bigint
            AS accrued_sat,
        coalesce(sum(amount) FILTER (WHERE debit_account = 'unassigned'), 0)::bigint AS sold_sat,
        coalesce(sum(amount) FILTER (WHERE credit_account = 'unassigned\\:kgs'), 0)::bigint
            AS net_tyiyn
    FROM transfers WHERE kind = 'post' AND created_at >= :begins AND created_at < :ends
        AND subject IN ('block', 'settlement')
        AND (credit_account IN ('unassigned', 'unassigned\\:kgs') OR debit_account = 'unassigned')
""")
_CREDITS = sa.text("""
    /* comparison */
    SELECT participant_id, sum(reward_sat)::bigint AS accrued_sat FROM block_credits
    WHERE block_hash IN (
        SELECT DISTINCT reference FROM transfers WHERE subject = 'block' AND kind = 'post'
            AND created_at >= :begins AND created_at < :ends)
    GROUP BY participant_id
""")
_SETTLED = """
    SELECT DISTINCT reference FROM transfers WHERE subject = 'settlement'
        AND created_at >= :begins AND created_at < :ends
"""
_LINES = sa.text(f"""
    /* comparison */
    SELECT participant_id, sum(amount_sat)::bigint AS sold_sat,
        sum(line.net_tyiyn + line.venue_fee_tyiyn + line.pool_fee_tyiyn)::bigint AS gross_tyiyn,
        sum(line.venue_fee_tyiyn)::bigint AS venue_fee_tyiyn,
        sum(line.pool_fee_tyiyn)::bigint AS pool_fee_tyiyn,
        sum(line.net_tyiyn)::bigint AS net_tyiyn
    FROM lot_settlements AS settled JOIN lot_settlement_lines AS line USING (block_hash, vout)
    WHERE reference IN ({_SETTLED}) GROUP BY participant_id
""")  # noqa: S608 - constant parts
_LOTS = sa.text("""
    /* comparison */
    SELECT settled.reference, settled.sold_sat, settled.gross_tyiyn, settled.venue_fee_tyiyn,
        settled.pool_fee_tyiyn, settled.net_tyiyn,
        filled.sat AS filled_sat, filled.gross AS filled_gross,
        least(filled.fee, filled.gross) AS filled_fee, line.sat AS line_sat,
        line.gross AS line_gross, line.venue_fee AS line_venue_fee, line.pool_fee AS line_pool_fee,
        line.net AS line_net, booked_sat, booked_gross, booked_venue_fee, booked_pool_fee,
        booked_gross - booked_venue_fee - booked_pool_fee AS booked_net
    FROM (
        SELECT reference, coalesce(sum(amount) FILTER (WHERE asset = 'BTC'), 0)::bigint
                AS booked_sat,
            coalesce(sum(amount) FILTER (WHERE asset = 'KGS'), 0)::bigint AS booked_gross,
            coalesce(sum(amount) FILTER (WHERE starts_with(credit_account, 'fee\\:venue\\:')), 0)
                ::bigint AS booked_venue_fee,
            coalesce(sum(amount) FILTER (WHERE credit_account = 'fee\\:pool'), 0)::bigint
                AS booked_pool_fee
        FROM transfers WHERE subject = 'settlement' AND kind = 'post'
            AND created_at >= :begins AND created_at < :ends
        GROUP BY reference
    ) AS booked
    JOIN lot_settlements AS settled USING (reference)
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount_sat), 0)::bigint AS sat,
            coalesce(sum(gross_tyiyn), 0)::bigint AS gross,
            coalesce(sum(fee_tyiyn), 0)::bigint AS fee
        FROM fills WHERE (block_hash, vout) = (settled.block_hash, settled.vout)
    ) AS filled
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(amount_sat), 0)::bigint AS sat,
            coalesce(sum(net_tyiyn + venue_fee_tyiyn + pool_fee_tyiyn), 0)::bigint AS gross,
            coalesce(sum(venue_fee_tyiyn), 0)::bigint AS venue_fee,
            coalesce(sum(pool_fee_tyiyn), 0)::bigint AS pool_fee,
            coalesce(sum(net_tyiyn), 0)::bigint AS net
        FROM lot_settlement_lines WHERE (block_hash, vout) = (settled.block_hash, settled.vout)
    ) AS line
    ORDER BY settled.reference
""")
_CONTENTS = sa.text("""
    /* comparison */
    SELECT doc_ref FROM (
        SELECT *, convert_from(content, 'UTF8')::jsonb AS said FROM income_records
        WHERE period = :period OFFSET 0
    ) AS told
    WHERE ((said #>> '{totals,accrued_sat}')::bigint,
        (said #>> '{totals,sold_sat}')::bigint, (said #>> '{totals,gross_tyiyn}')::bigint,
        (said #>> '{totals,venue_fee_tyiyn}')::bigint, (said #>> '{totals,pool_fee_tyiyn}')::bigint,
        (said #>> '{totals,net_tyiyn}')::bigint, (said #>> '{totals,paid_tyiyn}')::bigint,
        said ->> 'doc_ref', said ->> 'doc_type') IS DISTINCT FROM (accrued_sat, sold_sat,
        gross_tyiyn, venue_fee_tyiyn, pool_fee_tyiyn, net_tyiyn, paid_tyiyn, doc_ref, doc_type)
    ORDER BY sequence LIMIT :most
""")


class Gap(StrEnum):
    """Between which two a difference is."""

    RECORDS_LEDGER = "records_ledger"
    RECORDS_LINES = "records_lines"
    LEDGER_BLOCKS = "ledger_blocks"
    LEDGER_LINES = "ledger_lines"
    LEDGER_LOT = "ledger_lot"
    LINES_LOT = "lines_lot"
    LOT_FILLS = "lot_fills"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not the same: of a participant, a lot or a document."""

    gap: Gap
    subject: str
    column: str
    one: int
    other: int

    def words(self) -> str:
        """Say it to people at a terminal."""
        if self.gap is Gap.CONTENT:
            return f"{self.subject}: its bytes do not say what its row says"
        one, other = self.gap.value.split("_")
        return f"{self.subject}: {self.column} is {self.one} by {one}, {self.other} by {other}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A period compared: totals by source, and all that differs."""

    period: str
    totals: Mapping[str, Mapping[str, int]]
    """Of each column by source: records, nobody, ledger, books, fills; what a source lacks is not
    there."""
    differences: list[Difference] = field(default_factory=list)


Sums = Mapping[int, Mapping[str, int]]


def reconcile(db: sa.Connection, period: str, now_us: int) -> list[Difference]:
    """Return all that differs, in a period's days that are over; nothing where all holds."""
    return compare(db, period, now_us).differences


def compare(
    db: sa.Connection, period: str, now_us: int, *, with_contents: bool = True
) -> Comparison:
    """Compare a period's days that are over; raises StatementError for what is no month."""
    month = period_of(period)
    db.execute(sa.text(f"SET LOCAL work_mem = '{SORT_KB}kB'"))
    if with_contents:
        db.execute(sa.text(f"SET LOCAL statement_timeout = '{STATEMENT_S}s'"))
    bounds = {"period": period, "begins": month.begins, "ends": over_until(month, now_us)}
    records = _by_participant(db, _RECORDS, bounds)
    ledger = dict(_by_participant(db, _LEDGER, bounds))
    ledger[NOBODY] = dict(db.execute(_UNASSIGNED, bounds).one()._mapping)
    credits_ = _by_participant(db, _CREDITS, bounds)
    lines = _by_participant(db, _LINES, bounds)
    lots = db.execute(_LOTS, bounds).all()
    found = _differences(records, ledger, credits_, lines, lots)
    differences = [one for _, one in zip(range(DIFFERENCES_MAX), found, strict=False)]
    if with_contents:
        odd = db.execute(_CONTENTS, {"period": period, "most": DIFFERENCES_MAX}).scalars()
        differences += [Difference(Gap.CONTENT, name, "", 0, 0) for name in odd]
    totals = _totals(records, ledger, credits_, lines, lots)
    return Comparison(period, totals, differences)


def _by_participant(
    db: sa.Connection, query: sa.TextClause, bounds: Mapping[str, Any]
) -> dict[int, dict[str, int]]:
    found = {}
    for row in db.execute(query, bounds):
        values = dict(row._mapping)
        found[int(values.pop("participant_id"))] = values
    return found


def _differences(
    records: Sums, ledger: Sums, credits_: Sums, lines: Sums, lots: Any
) -> Iterator[Difference]:
    earning = {who: ledger[who] for who in ledger if who != NOBODY}
    selling = {who: lines[who] for who in lines if who != NOBODY}
    yield from _compared(Gap.RECORDS_LEDGER, records, earning, LEDGER)
    yield from _compared(Gap.RECORDS_LINES, records, selling, LINES)
    yield from _compared(Gap.LEDGER_BLOCKS, ledger, credits_, ("accrued_sat",))
    yield from _compared(Gap.LEDGER_LINES, ledger, lines, ("sold_sat", "net_tyiyn"))
    for lot in lots:
        told = f"lot {lot.reference}"
        for column, whole, line, booked, filled in (
            ("sold_sat", lot.sold_sat, lot.line_sat, lot.booked_sat, lot.filled_sat),
            ("gross_tyiyn", lot.gross_tyiyn, lot.line_gross, lot.booked_gross, lot.filled_gross),
            ("venue_fee_tyiyn", lot.venue_fee_tyiyn, lot.line_venue_fee, lot.booked_venue_fee,
             lot.filled_fee),
            ("pool_fee_tyiyn", lot.pool_fee_tyiyn, lot.line_pool_fee, lot.booked_pool_fee, None),
            ("net_tyiyn", lot.net_tyiyn, lot.line_net, lot.booked_net, None),
        ):  # fmt: skip
            if booked != whole:
                yield Difference(Gap.LEDGER_LOT, told, column, booked, whole)
            if line != whole:
                yield Difference(Gap.LINES_LOT, told, column, line, whole)
            if filled not in {None, whole}:
                yield Difference(Gap.LOT_FILLS, told, column, whole, filled)


def _compared(gap: Gap, ones: Sums, others: Sums, columns: tuple[str, ...]) -> Iterator[Difference]:
    for who in sorted(ones.keys() | others.keys()):
        mine, theirs = ones.get(who, {}), others.get(who, {})
        for column in columns:
            one, other = mine.get(column, 0), theirs.get(column, 0)
            if one != other:
                subject = f"participant {who}" if who else "nobody's"
                yield Difference(gap, subject, column, one, other)


def _totals(
    records: Sums, ledger: Sums, credits_: Sums, lines: Sums, lots: Any
) -> dict[str, dict[str, int]]:
    nobody = {**ledger[NOBODY], **{name: lines.get(NOBODY, {}).get(name, 0) for name in LINES}}
    filled = {
        "sold_sat": sum(lot.filled_sat for lot in lots),
        "gross_tyiyn": sum(lot.filled_gross for lot in lots),
        "venue_fee_tyiyn": sum(lot.filled_fee for lot in lots),
    }
    booked = {
        "gross_tyiyn": sum(lot.booked_gross for lot in lots),
        "venue_fee_tyiyn": sum(lot.booked_venue_fee for lot in lots),
        "pool_fee_tyiyn": sum(lot.booked_pool_fee for lot in lots),
    }
    totals: dict[str, dict[str, int]] = {}
    for name in COLUMNS:
        row = {"records": _sum(records, name), "nobody": nobody.get(name, 0)}
        row["ledger"] = booked[name] if name in booked else _sum(ledger, name)
        if name in LINES:
            row["books"] = _sum(lines, name)
        elif name == "accrued_sat":
            row["books"] = _sum(credits_, name)
        if name in FILLS:
            row["fills"] = filled[name]
        totals[name] = row
    return totals


def _sum(sums: Sums, name: str) -> int:
    return sum(values.get(name, 0) for values in sums.values())

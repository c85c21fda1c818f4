"""What a participant has earned: where its coins and money are now, day by day, block by block.

Every number is the ledger's: `participant_balances`, the lines of `transfers`, or the credits and
settlements that PostgreSQL holds to them.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from kench.payouts.accounts import participant_btc, participant_kgs
from kench.payouts.statements.statement import Period
from kench.sale.machine import LotState

OPEN_STATES = tuple(
    state.value for state in LotState if state not in {LotState.SETTLED, LotState.WRITTEN_OFF}
)
"""States of a lot whose coins are on sale, or held up on their way."""
BEGINNING = "-infinity"
END = "infinity"


@dataclass(frozen=True, slots=True)
class Stages:
    """Where a participant's coins and money are: each satoshi and tyiyn is at one place."""

    maturing_sat: int = 0
    """Of blocks whose coins cannot be spent yet."""
    waiting_sat: int = 0
    """Mature, in no lot yet: the next one takes them."""
    in_sale_sat: int = 0
    written_off_sat: int = 0
    sold_sat: int = 0
    due_tyiyn: int = 0
    """May be paid out."""
    leaving_tyiyn: int = 0
    """On its way to the bank account."""
    paid_tyiyn: int = 0
    """Arrived there, and was not sent back."""
    by_state: dict[LotState, int] = field(default_factory=dict)
    """`in_sale_sat` by the state of the lots."""

    @property
    def credited_tyiyn(self) -> int:
        """All that was ever credited for coins sold."""
        return self.due_tyiyn + self.leaving_tyiyn + self.paid_tyiyn

    @property
    def earned_sat(self) -> int:
        """All coins that were ever earned and not lost with an orphaned block."""
        return (
            self.maturing_sat + self.waiting_sat + self.in_sale_sat + self.written_off_sat
            + self.sold_sat
        )  # fmt: skip


class DayEarned(NamedTuple):
    """What happened on one day of Bishkek."""

    day: date
    blocks: int
    """Blocks found in which the participant has a part, orphaned ones too."""
    orphaned: int
    earned_sat: int
    """Of the others."""
    sold_sat: int
    credited_tyiyn: int
    paid_tyiyn: int
    """Payouts that the bank booked, less those that it sent back."""


class LotPart(NamedTuple):
    """A participant's part of one lot."""

    vout: int
    venue: str
    state: LotState
    share_sat: int
    sold_sat: int
    net_tyiyn: int
    """What it was credited; 0 until the lot is settled."""


@dataclass(frozen=True, slots=True)
class BlockEarned:
    """A block and the participant's part of it."""

    hash: str
    height: int
    found_at: datetime
    state: str
    method: str
    order_number: int
    reward_sat: int
    work_hashes: int
    credit_sat: int
    lots: tuple[LotPart, ...] = ()

    @property
    def sold_sat(self) -> int:
        """Coins sold of its lots; with what these took along of earlier ones."""
        return sum(lot.sold_sat for lot in self.lots)

    @property
    def net_tyiyn(self) -> int:
        """What was credited for them."""
        return sum(lot.net_tyiyn for lot in self.lots)

    @property
    def part(self) -> float:
        """Share of the block's reward, for display."""
        return self.credit_sat / self.reward_sat if self.reward_sat else 0.0

    @property
    def stage(self) -> str:
        """Where its coins are: maturing, orphaned, waiting, in_sale, sold, written_off."""
        if self.state != "mature":
            return "orphaned" if self.state == "orphaned" else "maturing"
        states = {lot.state for lot in self.lots}
        if not states:
            return "waiting"
        if states <= {LotState.SETTLED, LotState.WRITTEN_OFF}:
            return "sold" if self.sold_sat else "written_off"
        return "in_sale"


class Place(NamedTuple):
    """A block's place in the list of all, newest first."""

    found_at: datetime | str
    hash: str


NEWEST = Place(END, "")

_BALANCES = sa.text("""
    SELECT participant_id, pending_sat, mature_sat, sold_sat, due_tyiyn, leaving_tyiyn, paid_tyiyn,
        written_off_sat
    FROM participant_balances WHERE participant_id = ANY(CAST(:ids AS bigint[]))
""")
_IN_SALE = sa.text("""
    SELECT shares.participant_id, lots.state,
        sum(shares.amount_sat - coalesce(remains.amount_sat, 0))::bigint AS amount_sat
    FROM lots JOIN lot_shares AS shares USING (block_hash, vout)
    LEFT JOIN lot_remainders AS remains USING (block_hash, vout, participant_id)
    WHERE lots.state = ANY(CAST(:states AS text[]))
        AND shares.participant_id = ANY(CAST(:ids AS bigint[]))
    GROUP BY shares.participant_id, lots.state
""")
_DAY = "CAST({} AT TIME ZONE INTERVAL '6 hours' AS date)"
_DAYS_FOUND = sa.text(f"""
    SELECT {_DAY.format("found_at")} AS day, count(*) AS blocks,
        count(*) FILTER (WHERE state = 'orphaned') AS orphaned,
        coalesce(sum(credit.reward_sat) FILTER (WHERE state <> 'orphaned'), 0)::bigint AS earned_sat
    FROM blocks JOIN block_credits AS credit
        ON credit.block_hash = hash AND participant_id = :participant
    WHERE attempts > 0 AND found_at >= :begins AND found_at < :ends
    GROUP BY 1
""")  # noqa: S608 - constants, from above
_DAYS_BOOKED = sa.text(f"""
    SELECT {_DAY.format("created_at")} AS day,
        coalesce(sum(sold), 0)::bigint AS sold_sat,
        coalesce(sum(credited), 0)::bigint AS credited_tyiyn,
        coalesce(sum(paid), 0)::bigint AS paid_tyiyn
    FROM (
        SELECT created_at, amount AS sold, NULL::bigint AS credited, NULL::bigint AS paid
        FROM transfers WHERE debit_account = :coins AND subject = 'settlement'
        UNION ALL
        SELECT created_at, NULL, amount, NULL
        FROM transfers WHERE credit_account = :money AND subject = 'settlement'
        UNION ALL
        SELECT created_at, NULL, NULL, amount
        FROM transfers WHERE debit_account = :money AND subject = 'payout' AND kind = 'post'
        UNION ALL
        SELECT created_at, NULL, NULL, -amount
        FROM transfers WHERE credit_account = :money AND subject = 'payout' AND kind = 'post'
    ) AS lines
    WHERE created_at >= :begins AND created_at < :ends
    GROUP BY 1
""")  # noqa: S608 - constants, from above
_BLOCKS = """
    SELECT hash, height, found_at, state, method, order_number, blocks.reward_sat,
        credit.work_hashes, credit.reward_sat AS credit_sat
    FROM blocks JOIN block_credits AS credit
        ON credit.block_hash = hash AND participant_id = :participant
    WHERE attempts > 0
"""
_PAGE = sa.text(f"""{_BLOCKS}
        AND (found_at, hash) < (CAST(:before_at AS timestamptz), :before_hash)
        AND found_at >= CAST(:since AS timestamptz)
    ORDER BY found_at DESC, hash DESC LIMIT :most
""")
_ONE = sa.text(f"{_BLOCKS} AND hash = :hash")
_LOTS = sa.text("""
    SELECT lots.block_hash, lots.vout, venue, state, shares.amount_sat AS share_sat,
        coalesce(line.amount_sat, 0) AS sold_sat, coalesce(line.net_tyiyn, 0) AS net_tyiyn
    FROM lots JOIN lot_shares AS shares
        ON (shares.block_hash, shares.vout, shares.participant_id)
            = (lots.block_hash, lots.vout, :participant)
    LEFT JOIN lot_settlement_lines AS line
        ON (line.block_hash, line.vout, line.participant_id)
            = (lots.block_hash, lots.vout, :participant)
    WHERE lots.block_hash = ANY(CAST(:hashes AS text[]))
    ORDER BY lots.block_hash, lots.vout
""")
_FIRST = sa.text("""
    SELECT found_at FROM blocks JOIN block_credits AS credit
        ON credit.block_hash = hash AND participant_id = :participant
    WHERE attempts > 0 ORDER BY found_at LIMIT 1
""")


def read_stages(db: sa.Connection, participants: Collection[int]) -> dict[int, Stages]:
    """Return where coins and money of each participant asked for are."""
    asked = {"ids": list(participants)}
    by_state: dict[int, dict[LotState, int]] = defaultdict(dict)
    for row in db.execute(_IN_SALE, {**asked, "states": list(OPEN_STATES)}):
        by_state[row.participant_id][LotState(row.state)] = row.amount_sat
    found = {}
    for row in db.execute(_BALANCES, asked):
        who = row.participant_id
        in_sale = sum(by_state[who].values())
        found[who] = Stages(
            maturing_sat=row.pending_sat,
            waiting_sat=row.mature_sat - in_sale,
            in_sale_sat=in_sale,
            written_off_sat=row.written_off_sat,
            sold_sat=row.sold_sat,
            due_tyiyn=row.due_tyiyn,
            leaving_tyiyn=row.leaving_tyiyn,
            paid_tyiyn=row.paid_tyiyn,
            by_state=by_state[who],
        )
    return {one: found.get(one, Stages()) for one in participants}


def read_days(db: sa.Connection, participant_id: int, period: Period) -> list[DayEarned]:
    """Return the days of a month on which anything happened, newest first."""
    values: dict[str, Any] = {
        "participant": participant_id,
        "coins": participant_btc(participant_id),
        "money": participant_kgs(participant_id),
        "begins": period.begins,
        "ends": period.ends,
    }
    days: dict[date, dict[str, int]] = defaultdict(dict)
    for query in (_DAYS_FOUND, _DAYS_BOOKED):
        for row in db.execute(query, values):
            days[row.day] |= {name: row._mapping[name] for name in row._fields if name != "day"}
    names = DayEarned._fields[1:]
    return [
        DayEarned(day, *(days[day].get(name, 0) for name in names))
        for day in sorted(days, reverse=True)
    ]


def read_blocks(
    db: sa.Connection,
    participant_id: int,
    *,
    most: int,
    before: Place = NEWEST,
    since: datetime | str = BEGINNING,
) -> list[BlockEarned]:
    """Return so many blocks of which the participant has a part, newest first."""
    values = {
        "participant": participant_id,
        "before_at": before.found_at,
        "before_hash": before.hash,
        "since": since,
        "most": most,
    }
    return _with_lots(db, participant_id, db.execute(_PAGE, values))


def read_block(db: sa.Connection, participant_id: int, block_hash: str) -> BlockEarned | None:
    """Return one block; None where the participant has no part of it."""
    rows = db.execute(_ONE, {"participant": participant_id, "hash": block_hash})
    found = _with_lots(db, participant_id, rows)
    return found[0] if found else None


def place_of(db: sa.Connection, block_hash: str) -> Place | None:
    """Return a block's place in the list."""
    found = db.scalar(
        sa.text("SELECT found_at FROM blocks WHERE hash = :hash"), {"hash": block_hash}
    )
    return None if found is None else Place(found, block_hash)


def first_found(db: sa.Connection, participant_id: int) -> datetime | None:
    """Return when the first block with a part of this participant was found."""
    found: datetime | None = db.scalar(_FIRST, {"participant": participant_id})
    return found


def _with_lots(
    db: sa.Connection, participant_id: int, rows: Iterable[sa.Row[Any]]
) -> list[BlockEarned]:
    blocks = [dict(row._mapping) for row in rows]
    lots: dict[str, list[LotPart]] = defaultdict(list)
    values = {"participant": participant_id, "hashes": [block["hash"] for block in blocks]}
    for row in db.execute(_LOTS, values) if blocks else ():
        lots[row.block_hash].append(
            LotPart(
                row.vout, row.venue, LotState(row.state), row.share_sat, row.sold_sat, row.net_tyiyn
            )
        )
    return [
        BlockEarned(
            **block | {"work_hashes": int(block["work_hashes"])}, lots=tuple(lots[block["hash"]])
        )
        for block in blocks
    ]

"""The country month by month and region by region: work, electricity, blocks, rewards, sales.

What a participant did is split among the regions of its sites by the hashrate that the register
declares there, at the end of the month; what the register does not say stands under no region.
Work is that of days of UTC, all else that of Bishkek's month. Whole numbers, and every split sums
to what was split.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise

import sqlalchemy as sa

from kench.cabinet.registration.regions import Region
from kench.cabinet.registration.states import ParticipantState
from kench.payouts.statements.statement import Period

GIGA = 10**9
EVERYWHERE = "*"
_SHARE = "div({what} * up_to, all_ghs) - div({what} * (up_to - own_ghs), all_ghs)"
REGIONS = sa.text(f"""
    WITH held AS (
        SELECT DISTINCT ON (participant_id) participant_id, version FROM register_entries
        WHERE at < :ends ORDER BY participant_id, version DESC
    ), sites AS (
        SELECT participant_id, region, quantity, hashrate_ghs, power_w, planned_kwh_month,
            sum(hashrate_ghs) OVER whole AS all_ghs,
            sum(hashrate_ghs) OVER (whole ORDER BY region) AS up_to,
            NOT EXISTS (
                SELECT FROM membership_events AS ended
                WHERE ended.participant_id = held.participant_id AND at < :ends
                    AND state IN ('left', 'excluded')
            ) AS is_member
        FROM held JOIN register_regions USING (participant_id, version)
        WINDOW whole AS (PARTITION BY participant_id)
    ), facts AS (
        SELECT participant_id, sum(work_hashes) AS work_hashes, sum(reward_sat) AS reward_sat,
            sum(sold_sat) AS sold_sat, sum(net_tyiyn) AS net_tyiyn
        FROM (
            SELECT participant_id, work_hashes, 0::numeric AS reward_sat, 0::numeric AS sold_sat,
                0::numeric AS net_tyiyn
            FROM participant_days WHERE bucket_at >= :day_begins AND bucket_at < :day_ends
            UNION ALL
            SELECT participant_id, 0, block_credits.reward_sat, 0, 0
            FROM blocks JOIN block_credits ON block_hash = hash
            WHERE found_at >= :begins AND found_at < :ends AND state <> 'orphaned'
            UNION ALL
            SELECT participant_id, 0, 0, line.amount_sat, line.net_tyiyn
            FROM lot_settlements JOIN lot_settlement_lines AS line USING (block_hash, vout)
            WHERE settled_at >= :begins AND settled_at < :ends
        ) AS lines GROUP BY participant_id
    ), parts AS (
        SELECT coalesce(region, '') AS region, coalesce(is_member, false) AS is_member,
            coalesce(quantity, 0) AS quantity, coalesce(hashrate_ghs, 0) AS hashrate_ghs,
            coalesce(power_w, 0) AS power_w, coalesce(planned_kwh_month, 0) AS planned_kwh_month,
            coalesce(all_ghs, 1) AS all_ghs, coalesce(up_to, 1) AS up_to,
            coalesce(hashrate_ghs, 1) AS own_ghs, coalesce(work_hashes, 0) AS work_hashes,
            coalesce(reward_sat, 0) AS reward_sat, coalesce(sold_sat, 0) AS sold_sat,
            coalesce(net_tyiyn, 0) AS net_tyiyn
        FROM sites FULL JOIN facts USING (participant_id)
    )
    SELECT region, count(*) FILTER (WHERE is_member) AS participants,
        coalesce(sum(quantity) FILTER (WHERE is_member), 0) AS machines,
        coalesce(sum(hashrate_ghs) FILTER (WHERE is_member), 0) AS declared_ghs,
        coalesce(sum(planned_kwh_month) FILTER (WHERE is_member), 0) AS planned_kwh,
        sum({_SHARE.format(what="work_hashes")}) AS work_hashes,
        round(sum(work_hashes * power_w / all_ghs) / ({GIGA} * 3600000.0)) AS estimated_kwh,
        sum({_SHARE.format(what="reward_sat")}) AS reward_sat,
        sum({_SHARE.format(what="sold_sat")}) AS sold_sat,
        sum({_SHARE.format(what="net_tyiyn")}) AS net_tyiyn
    FROM parts GROUP BY region ORDER BY region
""")  # noqa: S608 - constants
_BLOCKS = sa.text("""
    SELECT count(*) FROM blocks
    WHERE found_at >= :begins AND found_at < :ends AND state <> 'orphaned'
""")
_SALES = sa.text("""
    SELECT count(*) AS sales, coalesce(sum(venue_fee_tyiyn), 0) AS venue_fee_tyiyn,
        coalesce(sum(pool_fee_tyiyn), 0) AS pool_fee_tyiyn
    FROM lot_settlements WHERE settled_at >= :begins AND settled_at < :ends
""")
MEMBERS = sa.text("""
    SELECT region, CASE participants.state WHEN 'active' THEN 'registered'
            WHEN 'suspended' THEN CASE WHEN open_suspensions.in_force THEN 'barred'
                ELSE 'suspended' END
            ELSE coalesce(ended.state, 'excluded')
        END AS state, count(*) AS participants
    FROM participants
    LEFT JOIN membership_events AS ended
        ON ended.participant_id = participants.id AND ended.state IN ('left', 'excluded')
    LEFT JOIN open_suspensions ON open_suspensions.participant_id = participants.id
    LEFT JOIN register_words ON register_words.participant_id = participants.id,
        unnest(array_append(coalesce(regions, ARRAY['']), :everywhere)) AS region
    GROUP BY 1, 2
""")
FIRST_ENTRY = sa.text("SELECT min(created_at) FROM participants")


@dataclass(frozen=True, slots=True)
class RegionNumbers:
    """A region in a month, or all of them together."""

    region: Region
    participants: int = 0
    """With sites there, in the register at the month's end."""
    machines: int = 0
    declared_ghs: int = 0
    planned_kwh: int = 0
    """Declared electricity of a month."""
    work_hashes: int = 0
    estimated_kwh: int = 0
    """Work times the declared power for a hashrate."""
    reward_sat: int = 0
    sold_sat: int = 0
    net_tyiyn: int = 0
    venue_fee_tyiyn: int = 0
    pool_fee_tyiyn: int = 0

    @property
    def gross_tyiyn(self) -> int:
        """What the sales brought before fees."""
        return self.net_tyiyn + self.venue_fee_tyiyn + self.pool_fee_tyiyn


COUNTED = (
    "machines", "declared_ghs", "planned_kwh", "work_hashes", "estimated_kwh", "reward_sat",
    "sold_sat", "net_tyiyn", "venue_fee_tyiyn", "pool_fee_tyiyn",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CountryMonth:
    """A month of the whole country."""

    name: str
    seconds: int
    """So much of it is over."""
    participants: int
    blocks: int
    sales: int
    """Lots that were settled."""
    regions: tuple[RegionNumbers, ...]

    @property
    def total(self) -> RegionNumbers:
        """All regions together; a participant of several is one."""
        sums = {name: sum(getattr(one, name) for one in self.regions) for name in COUNTED}
        return RegionNumbers(Region.UNSTATED, participants=self.participants, **sums)

    def hashrate(self, numbers: RegionNumbers) -> float:
        """Return the mean over what is over of the month."""
        return numbers.work_hashes / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Members:
    """Participants now, by region and state; `EVERYWHERE` has each once."""

    by_region: dict[str, dict[ParticipantState, int]]

    @property
    def all(self) -> dict[ParticipantState, int]:
        """Of the whole country."""
        return self.by_region.get(EVERYWHERE, {})


_MEMBERS_THEN = sa.text("""
    SELECT count(DISTINCT participant_id) FROM register_entries
    WHERE version = 1 AND at < :ends AND NOT EXISTS (
        SELECT FROM membership_events AS ended
        WHERE ended.participant_id = register_entries.participant_id AND ended.at < :ends
            AND ended.state IN ('left', 'excluded')
    )
""")
WHOLE = (REGIONS, MEMBERS, FIRST_ENTRY, _MEMBERS_THEN)
"""Statements that read whole tables: for all officers at once, and not often."""


def read_month(db: sa.Connection, month: Period, now: datetime) -> CountryMonth:
    """Return a month as far as it has come."""
    days = (month.begins.replace(tzinfo=UTC), month.ends.replace(tzinfo=UTC))
    asked = {
        "begins": month.begins, "ends": month.ends, "day_begins": days[0], "day_ends": days[1],
    }  # fmt: skip
    sales = db.execute(_SALES, asked).one()
    rows = db.execute(REGIONS, asked).all()
    sold = [int(row.sold_sat) for row in rows]
    venue = apart(int(sales.venue_fee_tyiyn), sold)
    pool = apart(int(sales.pool_fee_tyiyn), sold)
    regions = tuple(
        RegionNumbers(
            region=Region(row.region), participants=row.participants,
            machines=int(row.machines), declared_ghs=int(row.declared_ghs),
            planned_kwh=int(row.planned_kwh), work_hashes=int(row.work_hashes),
            estimated_kwh=int(row.estimated_kwh), reward_sat=int(row.reward_sat),
            sold_sat=int(row.sold_sat), net_tyiyn=int(row.net_tyiyn),
            venue_fee_tyiyn=venue[place], pool_fee_tyiyn=pool[place],
        )
        for place, row in enumerate(rows)
    )  # fmt: skip
    over = min(now, month.ends) - month.begins
    return CountryMonth(
        name=month.name,
        seconds=max(0, over // timedelta(seconds=1)),
        participants=db.scalar(_MEMBERS_THEN, asked) or 0,
        blocks=db.scalar(_BLOCKS, asked) or 0,
        sales=sales.sales,
        regions=regions,
    )


def read_members(db: sa.Connection) -> Members:
    """Return how many participants there are now."""
    by_region: dict[str, dict[ParticipantState, int]] = {}
    for row in db.execute(MEMBERS, {"everywhere": EVERYWHERE}):
        by_region.setdefault(row.region, {})[ParticipantState(row.state)] = row.participants
    return Members(by_region)


def apart(amount: int, weights: Sequence[int]) -> list[int]:
    """Split an amount by weights, to its last unit; without any weight the first has it all."""
    whole = sum(weights)
    if not whole:
        return [amount, *[0] * (len(weights) - 1)] if weights else []
    ends = [amount * up_to // whole for up_to in accumulate(weights, initial=0)]
    return [after - before for before, after in pairwise(ends)]

"""What the system itself knows of participants in a period, for many of them at once.

Every function takes a connection in a transaction. Numbers come out as reports keep them: whole
satoshi and tyiyn, decimals as text.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from kench.cabinet.registration.equipment import Equipment, terahashes, total_of
from kench.cabinet.registration.membership import Entry
from kench.cabinet.registration.regions import Region
from kench.cabinet.reports.periods import MONTHS_OF_QUARTER, Every, ReportPeriod
from kench.cabinet.reports.sources import SOURCES
from kench.cabinet.reports.values import Row, Value

STEP_S = 600
TERA_THOUSANDTH = 10**9
"""Hashes in a thousandth of a terahash."""
PER_MYRIAD = 10_000


class Known(NamedTuple):
    """Of one participant: facts by source, and where most of its equipment is."""

    facts: dict[str, Value]
    region: Region


_WORKED = sa.text("""
    SELECT participant_id, sum(work_hashes) AS work_hashes, sum(up)::bigint AS up,
        count(DISTINCT CAST(bucket_at AT TIME ZONE INTERVAL '6 hours' AS date))
            FILTER (WHERE accepted > 0) AS days
    FROM participant_hours
    WHERE participant_id = ANY(CAST(:ids AS integer[]))
        AND bucket_at >= :begins AND bucket_at < :ends
    GROUP BY participant_id
""")
_COULD = sa.text(f"""
    SELECT participant_id, sum(greatest(0, floor(extract(epoch FROM
        CAST(:ends AS timestamptz) - greatest(CAST(:begins AS timestamptz), created_at))
        / {STEP_S})))::bigint AS whole
    FROM workers WHERE participant_id = ANY(CAST(:ids AS integer[])) GROUP BY participant_id
""")  # noqa: S608 - a constant
_ENTRIES = sa.text("""
    SELECT DISTINCT ON (participant_id) participant_id, content FROM register_entries
    WHERE participant_id = ANY(CAST(:ids AS integer[])) AND at < :ends
    ORDER BY participant_id, version DESC
""")
_SUMS = (
    "accrued_sat", "sold_sat", "gross_tyiyn", "venue_fee_tyiyn", "pool_fee_tyiyn", "net_tyiyn",
    "paid_tyiyn",
)  # fmt: skip
_INCOME = sa.text(f"""
    SELECT participant_id, {", ".join(f"sum({name})::bigint AS {name}" for name in _SUMS)}
    FROM income_in_force
    WHERE participant_id = ANY(CAST(:ids AS integer[])) AND period = ANY(CAST(:months AS text[]))
    GROUP BY participant_id
""")  # noqa: S608 - constants


def gather_facts(db: sa.Connection, ids: Collection[int], period: ReportPeriod) -> dict[int, Known]:
    """Return what is known of participants, each of them with every source."""
    asked = {
        "ids": list(ids), "begins": period.begins, "ends": period.ends,
        "months": months_of(period),
    }  # fmt: skip
    found = {number: _nothing() for number in ids}
    regions = dict.fromkeys(ids, Region.UNSTATED)
    could = {row.participant_id: row.whole for row in db.execute(_COULD, asked)}
    seconds = int((period.ends - period.begins).total_seconds())
    for row in db.execute(_WORKED, asked):
        found[row.participant_id] |= _worked(row, could.get(row.participant_id, 0), seconds)
    for row in db.execute(_ENTRIES, asked):
        entry = msgspec.convert(row.content, Entry)
        found[row.participant_id] |= _entered(entry)
        regions[row.participant_id] = main_region(entry.equipment)
    for row in db.execute(_INCOME, asked):
        found[row.participant_id] |= {name: int(row._mapping[name]) for name in _SUMS}
    return {number: Known(found[number], regions[number]) for number in ids}


def months_of(period: ReportPeriod) -> list[str]:
    """The names of its months."""
    count = 1 if period.every is Every.MONTH else MONTHS_OF_QUARTER
    first = period.first.year * 12 + period.first.month - 1
    return [f"{month // 12}-{month % 12 + 1:02}" for month in range(first, first + count)]


def main_region(equipment: Iterable[Equipment]) -> Region:
    """Where the greater part of the declared hashrate is."""
    hashrates = defaultdict[Region, int](int)
    for row in equipment:
        hashrates[row.region] += row.quantity * row.hashrate_ghs
    order = list(Region)
    return max(hashrates, key=lambda one: (hashrates[one], -order.index(one)), default=order[0])


def decimal_text(amount: int, decimals: int) -> str:
    """A whole number of the last decimal as text, without zeros at its end."""
    digits = f"{amount:0{decimals + 1}}"
    return f"{digits[:-decimals]}.{digits[-decimals:]}".rstrip("0").rstrip(".")


def _nothing() -> dict[str, Value]:
    """Nothing mined and nothing earned is known; what the register lacks is not."""
    nothing: dict[str, Value] = dict.fromkeys(SOURCES)
    return (
        nothing
        | {"days_mined": 0, "work_hashes": "0", "hashrate_ths": "0"}
        | dict.fromkeys(_SUMS, 0)
    )


def _worked(row: Any, whole: int, seconds: int) -> dict[str, Value]:
    work = int(row.work_hashes)
    known: dict[str, Value] = {
        "days_mined": row.days,
        "work_hashes": str(work),
        "hashrate_ths": decimal_text(work // (seconds * TERA_THOUSANDTH), 3),
    }
    if whole:
        known["uptime_percent"] = decimal_text(min(row.up, whole) * PER_MYRIAD // whole, 2)
    return known


def _entered(entry: Entry) -> dict[str, Value]:
    total = total_of(entry.equipment)
    rows: list[Row] = [
        {
            "model": row.model, "quantity": row.quantity, "power_w": row.power_w,
            "hashrate_ths": terahashes(row.hashrate_ghs), "planned_kwh": row.planned_kwh_month,
            "site": row.site,
        }
        for row in entry.equipment
    ]  # fmt: skip
    certificate = entry.certificate
    return {
        "tax_number": entry.applicant.tax_number,
        "certificate": f"{certificate.number}, {certificate.issued}" if certificate else None,
        "machines": total.quantity,
        "hashrate_declared_ths": terahashes(total.hashrate_ghs),
        "power_w": total.power_w,
        "planned_kwh": total.planned_kwh_month,
        "equipment": rows,
    }

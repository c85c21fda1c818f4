"""What risk is reckoned from, read from the statistics, the blocks and the register."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from kench.cabinet.inspections.risk import FOUND_DAYS, RECENT_DAYS, Facts, Risk
from kench.cabinet.inspections.sharing import Shared, read_shared
from kench.cabinet.inspections.weighing import Weighed, read_hours, read_targets, weigh
from kench.pool.door_settings import Network

# One look at the days; those of the same difficulty are summed together.
WORKED = sa.text("""
    SELECT participant_id, block_work_hashes, sum(work_hashes) AS all_hashes,
        coalesce(sum(work_hashes) FILTER (WHERE bucket_at >= :since), 0) AS work_hashes,
        coalesce(sum(accepted) FILTER (WHERE bucket_at >= :since), 0) AS accepted,
        coalesce(sum(stale + low_difficulty + duplicate + other)
            FILTER (WHERE bucket_at >= :since), 0) AS refused,
        count(*) FILTER (WHERE accepted > 0 AND bucket_at >= :since) AS days_up
    FROM participant_days
    LEFT JOIN unnest(CAST(:days AS timestamptz[]), CAST(:targets AS numeric[]))
        AS targets (bucket_at, block_work_hashes) USING (bucket_at)
    WHERE bucket_at >= :found_since AND bucket_at < :until
        AND (:only = 0 OR participant_id = :only)
    GROUP BY participant_id, block_work_hashes
""")
# A block that was orphaned counts as found: who handed it over withheld nothing.
FOUND = sa.text("""
    SELECT split_part(finder, '.', 1) AS finder, count(*) AS blocks
    FROM blocks JOIN network_hours ON bucket_at = date_trunc('hour', found_at, 'UTC')
    WHERE found_at >= :found_since AND found_at < :until GROUP BY 1
""")
MINING = sa.text("""
    SELECT participants.id, participants.name, declared.hashrate_ghs,
        least(:recent, greatest(0, floor(extract(epoch FROM :until - entered.at) / 86400)))::integer
            AS days
    FROM participants
    JOIN (
        SELECT participant_id, sum(hashrate_ghs) AS hashrate_ghs
        FROM register_words JOIN register_regions USING (participant_id, version)
        GROUP BY participant_id
    ) AS declared ON declared.participant_id = participants.id
    JOIN register_entries AS entered ON entered.participant_id = participants.id
        AND entered.version = 1
    WHERE participants.state = 'active' AND (:only = 0 OR participants.id = :only)
""")


@dataclass(slots=True)
class _Worked:
    """What a participant did."""

    all_hashes: int = 0
    work_hashes: int = 0
    accepted: int = 0
    refused: int = 0
    days_up: int = 0


def read_risks(
    db: sa.Connection, now: datetime, only: int = 0, networks: Sequence[Network] = ()
) -> list[Risk]:
    """Return all who mine, those of the highest score first; or one of them alone.

    Addresses in `networks` are known to be shared, and count for nothing.
    """
    until = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    since = until - timedelta(days=RECENT_DAYS)
    asked = {
        "until": until, "since": since, "recent": RECENT_DAYS,
        "found_since": until - timedelta(days=FOUND_DAYS), "only": only,
    }  # fmt: skip
    shared = read_shared(db, since.date(), until.date(), networks, only)
    worked, weighed = _read_worked(db, asked)
    found = {row.finder: row.blocks for row in db.execute(FOUND, asked)}
    risks = []
    for row in db.execute(MINING, asked):
        did, blocks = worked.get(row.id, _Worked()), weighed.get(row.id, Weighed())
        facts = Facts(
            declared_ghs=int(row.hashrate_ghs), work_hashes=did.work_hashes,
            days=row.days, idle_days=max(0, row.days - did.days_up),
            accepted=did.accepted, refused=did.refused, found=found.get(str(row.id), 0),
            expected=blocks.expected,
            known_part=min(1.0, blocks.work_hashes / did.all_hashes) if did.all_hashes else 1.0,
            shared_days=shared.get(row.id, Shared()).days,
            shared_with=shared.get(row.id, Shared()).others,
        )  # fmt: skip
        risks.append(Risk(row.id, row.name, facts))
    return sorted(risks, key=lambda one: (-one.score, one.participant_id))


def _read_worked(
    db: sa.Connection, asked: dict[str, Any]
) -> tuple[dict[int, _Worked], dict[int, Weighed]]:
    """Return what each did, and what blocks that lets expect."""
    targets = read_targets(db, asked["found_since"], asked["until"])
    worked: dict[int, _Worked] = {}
    parts = read_hours(db, targets, asked["only"])
    days = {"days": targets.days, "targets": targets.block_work_hashes}
    for row in db.execute(WORKED, asked | days):
        did = worked.setdefault(row.participant_id, _Worked())
        did.all_hashes += int(row.all_hashes)
        did.work_hashes += int(row.work_hashes)
        did.accepted += int(row.accepted)
        did.refused += int(row.refused)
        did.days_up += row.days_up
        if row.block_work_hashes is not None:
            parts.append((row.participant_id, int(row.block_work_hashes), int(row.all_hashes)))
    return worked, weigh(parts)

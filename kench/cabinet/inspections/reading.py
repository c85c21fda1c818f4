"""What risk is reckoned from, read from the statistics, the blocks and the register."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from kench.cabinet.inspections.risk import FOUND_DAYS, RECENT_DAYS, Facts, Risk
from kench.cabinet.inspections.sharing import Shared, read_shared
from kench.pool.door_settings import Network

# A day in which one difficulty held is weighed whole, for there are 24 times as many hours; a day
# in which it changed, or with hours of which nothing is known, by its hours. Blocks that were
# orphaned count as found: who handed them over withheld nothing.
RISKS = sa.text("""
    WITH days AS (
        SELECT participant_id, bucket_at, work_hashes, accepted,
            stale + low_difficulty + duplicate + other AS refused
        FROM participant_days WHERE bucket_at >= :found_since AND bucket_at < :until
            AND (:only = 0 OR participant_id = :only)
    ), targets AS (
        SELECT bucket_at, block_work_hashes FROM network_hours
        WHERE bucket_at >= :found_since AND bucket_at < :until
    ), target_days AS (
        SELECT date_trunc('day', bucket_at, 'UTC') AS bucket_at,
            max(block_work_hashes) AS block_work_hashes,
            count(*) = 24 AND max(block_work_hashes) = min(block_work_hashes) AS whole
        FROM targets GROUP BY 1
    ), weighed AS (
        SELECT participant_id, block_work_hashes, sum(work_hashes) AS work_hashes
        FROM days JOIN target_days USING (bucket_at) WHERE whole GROUP BY 1, 2
        UNION ALL
        SELECT participant_id, targets.block_work_hashes, sum(work_hashes)
        FROM target_days
        JOIN targets ON targets.bucket_at >= target_days.bucket_at
            AND targets.bucket_at < target_days.bucket_at + interval '1 day'
        JOIN participant_hours AS hours ON hours.bucket_at = targets.bucket_at
            AND hours.bucket_at >= :found_since AND hours.bucket_at < :until
            AND (:only = 0 OR participant_id = :only)
        WHERE NOT whole GROUP BY 1, 2
    ), expected AS (
        SELECT participant_id, sum(work_hashes / block_work_hashes)::float8 AS blocks,
            sum(work_hashes) AS work_hashes
        FROM weighed GROUP BY participant_id
    ), found AS (
        SELECT split_part(finder, '.', 1) AS finder, count(*) AS blocks
        FROM blocks JOIN targets ON targets.bucket_at = date_trunc('hour', found_at, 'UTC')
        WHERE found_at >= :found_since AND found_at < :until GROUP BY 1
    ), recent AS (
        SELECT participant_id, sum(work_hashes) AS all_hashes,
            sum(work_hashes) FILTER (WHERE bucket_at >= :since) AS work_hashes,
            sum(accepted) FILTER (WHERE bucket_at >= :since) AS accepted,
            sum(refused) FILTER (WHERE bucket_at >= :since) AS refused,
            count(*) FILTER (WHERE accepted > 0 AND bucket_at >= :since) AS days_up
        FROM days GROUP BY participant_id
    ), declared AS (
        SELECT participant_id, sum(hashrate_ghs) AS hashrate_ghs
        FROM register_words JOIN register_regions USING (participant_id, version)
        GROUP BY participant_id
    )
    SELECT participants.id, participants.name, declared.hashrate_ghs,
        coalesce(recent.work_hashes, 0) AS work_hashes, coalesce(recent.accepted, 0) AS accepted,
        coalesce(recent.refused, 0) AS refused, coalesce(recent.days_up, 0) AS days_up,
        coalesce(found.blocks, 0) AS found, coalesce(expected.blocks, 0) AS expected,
        coalesce(coalesce(expected.work_hashes, 0) / nullif(recent.all_hashes, 0), 1)::float8
            AS known_part,
        least(:days, greatest(0, floor(extract(epoch FROM :until - entered.at) / 86400)))::integer
            AS days
    FROM participants
    JOIN declared ON declared.participant_id = participants.id
    JOIN register_entries AS entered ON entered.participant_id = participants.id
        AND entered.version = 1
    LEFT JOIN recent ON recent.participant_id = participants.id
    LEFT JOIN expected ON expected.participant_id = participants.id
    LEFT JOIN found ON found.finder = participants.id::text
    WHERE participants.state = 'active' AND (:only = 0 OR participants.id = :only)
""")


def read_risks(
    db: sa.Connection, now: datetime, only: int = 0, networks: Sequence[Network] = ()
) -> list[Risk]:
    """Return all who mine, those of the highest score first; or one of them alone.

    Addresses in `networks` are known to be shared, and count for nothing.
    """
    until = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    shared = read_shared(
        db, until.date() - timedelta(days=RECENT_DAYS), until.date(), networks, only
    )
    asked = {
        "until": until, "since": until - timedelta(days=RECENT_DAYS), "days": RECENT_DAYS,
        "found_since": until - timedelta(days=FOUND_DAYS), "only": only,
    }  # fmt: skip
    risks = [
        Risk(
            row.id, row.name,
            Facts(
                declared_ghs=int(row.hashrate_ghs), work_hashes=int(row.work_hashes),
                days=row.days, idle_days=max(0, row.days - row.days_up),
                accepted=int(row.accepted), refused=int(row.refused), found=row.found,
                expected=row.expected, known_part=min(1.0, row.known_part),
                shared_days=shared.get(row.id, Shared()).days,
                shared_with=shared.get(row.id, Shared()).others,
            ),
        )
        for row in db.execute(RISKS, asked)
    ]  # fmt: skip
    return sorted(risks, key=lambda one: (-one.score, one.participant_id))

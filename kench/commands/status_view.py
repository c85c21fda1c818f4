"""The status of the pool as one object: what `kench status --json` prints and `kench up` shows.

    network, height, tip   of the newest front end; null until one has run
    participants           [{id, name, state, workers, accepted, refused, work_hashes (decimal
                           string), pending_sat, mature_sat, due_tyiyn}] by id
    shares                 {accepted, refused: {reason: count}}, those of unknown workers too
    blocks                 [{height, hash, state, reward_sat, finder, credited, found_at, alarm}],
                           newest first, at most `blocks_max`
    block_counts           {pending, mature, orphaned}, of all blocks
    alarms                 [{height, hash}]: posted blocks that have left the chain
    settlement             {waits_for, since}: what holds settlement up; nulls where nothing does
    manifests              {waiting, waiting_s}: blocks not signed yet, and for how long the first
    income                 how it is formed and handed over (`kench.pool.income_progress`)
    ledger                 {balanced, transfers}
    sale                   {lots: {state: count}, stuck, lots_sat, sold_sat, sold_today_sat,
                           gross_tyiyn, net_tyiyn, waits, licences, reconciliations}
    journal                {records: accepted shares on disk, durable_lag_ms}
    serving, why           whether miners are served now, and if not, why
    hashrate               {participant id: hashes a second}, sums of the front ends' estimates
    connections, sessions  of all front ends now
    doors                  [{name, purpose, url, open, why, connections, accepted, refused}], those
                           of all front ends together
    nodes                  [{name, usable, why}] as the newest front end sees them
    custody                {order, checked, refused, why, orders_fault}: the order whose venues the
                           newest job pays, jobs that paid the approved list, and jobs that did not
                           and were never sent, since start; `why` while the newest is one of those,
                           `orders_fault` while the orders in the database are not sound
    standby                {mode, generation, replaced_by, away, why, together, behind_records,
                           behind_s, silent_s, acknowledged_without, database: {connected,
                           behind_bytes, left, left_bytes}}; null where there is none
    stream                 {fronts, away, why, together, behind_records, behind_s,
                           acknowledged_without, set_aside: numbers of lost journals of which more
                           came}; null where no journal goes to NATS

`accepted`, `work_hashes` and money follow the journal by the settlement's lag, about a second.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from kench.commands.standby_view import read_standby
from kench.commands.stream_view import read_stream
from kench.pool.clock import SystemClock
from kench.pool.door_status import merge_doors
from kench.pool.income_progress import read_income_progress
from kench.pool.journal import JournalReader
from kench.sale.figures import read_sale

BLOCKS_MAX = 100_000
FRESH_S = 5
"""A front end that has not reported for so long does not run; it reports each second."""
NOT_RUNNING = "no stratum server runs: start one with `kench up`"

_PARTICIPANTS = sa.text("""
    SELECT p.id, p.name, p.state,
        coalesce(w.workers, 0) AS workers,
        coalesce(t.accepted, 0) AS accepted,
        coalesce(r.refused, 0) AS refused,
        coalesce(t.work_hashes, 0) AS work_hashes,
        coalesce(b.pending_sat, 0) AS pending_sat,
        coalesce(b.mature_sat, 0) AS mature_sat,
        coalesce(b.due_tyiyn, 0) AS due_tyiyn
    FROM participants AS p
    LEFT JOIN (SELECT participant_id, count(*) AS workers FROM workers GROUP BY 1) AS w
        ON w.participant_id = p.id
    LEFT JOIN (SELECT participant_id, sum(accepted) AS accepted, sum(work_hashes) AS work_hashes
               FROM totals GROUP BY 1) AS t ON t.participant_id = p.id
    LEFT JOIN (SELECT participant_id, sum(count) AS refused FROM refusals GROUP BY 1) AS r
        ON r.participant_id = p.id
    LEFT JOIN participant_balances AS b ON b.participant_id = p.id
    ORDER BY p.id
""")
_ACCEPTED = sa.text("SELECT coalesce(sum(accepted), 0) FROM totals")
_REFUSED = sa.text("SELECT reason, sum(count) FROM refusals GROUP BY reason ORDER BY reason")
_BLOCKS = sa.text("""
    SELECT height, hash, state, reward_sat, finder, credited, found_at, alarm
    FROM blocks ORDER BY height DESC, found_at DESC, hash LIMIT :blocks_max
""")
_BLOCK_COUNTS = sa.text("SELECT state, count(*) FROM blocks GROUP BY state")
# Records that are no accepted shares: refused ones, kept for the block that they may be, and those
# that another journal had before.
_UNCREDITED = sa.text("""
    SELECT (SELECT count(*) FROM blocks WHERE NOT credited)
         + (SELECT coalesce(sum(repeats), 0) FROM journal_positions)
""")
_ALARMS = sa.text("SELECT height, hash FROM blocks WHERE alarm ORDER BY height, hash LIMIT :most")
_SETTLEMENT = sa.text("SELECT * FROM settlement_progress")
_LEDGER = sa.text("SELECT balanced, transfers FROM ledger_check")
_FRONT_ENDS = sa.text("""
    SELECT instance, state,
        updated_at > clock_timestamp() - make_interval(secs => :fresh_s) AS fresh
    FROM front_ends ORDER BY updated_at DESC, instance
""")


def read_status(
    connection: sa.Connection, journal_directory: Path, *, blocks_max: int = BLOCKS_MAX
) -> dict[str, Any]:
    """Status at one moment, as the object described above; it can be given to `json.dumps`.

    `connection` must not be in a transaction with statements yet: all is read in one snapshot.
    `journal_directory` is one instance's; the journals beside it count as well, and an instance
    whose journal is not on this machine counts by its last report. Needs the role kench_read.
    """
    connection.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    fronts = list(connection.execute(_FRONT_ENDS, {"fresh_s": FRESH_S}))
    newest: dict[str, Any] = fronts[0].state if fronts else {}
    fresh: list[dict[str, Any]] = [row.state for row in fronts if row.fresh]
    blocks = connection.execute(_BLOCKS, {"blocks_max": blocks_max})
    counts = {row.state: row.count for row in connection.execute(_BLOCK_COUNTS)}
    ledger = connection.execute(_LEDGER).one()
    alarms = connection.execute(_ALARMS, {"most": blocks_max})
    waiting = connection.execute(_SETTLEMENT).one()
    return {
        "network": newest.get("network"),
        "height": newest.get("height"),
        "tip": newest.get("tip"),
        **_service(fresh),
        "participants": [_participant(row) for row in connection.execute(_PARTICIPANTS)],
        "shares": {
            "accepted": int(connection.execute(_ACCEPTED).scalar_one()),
            "refused": {reason: int(count) for reason, count in connection.execute(_REFUSED)},
        },
        "blocks": [row._asdict() | {"found_at": row.found_at.isoformat()} for row in blocks],
        "block_counts": {
            state: counts.get(state, 0) for state in ("pending", "mature", "orphaned")
        },
        "alarms": [row._asdict() for row in alarms],
        "settlement": {
            "waits_for": waiting.waits_for,
            "since": waiting.since and waiting.since.isoformat(),
        },
        "manifests": {
            "waiting": waiting.manifests_waiting,
            "waiting_s": round(waiting.manifests_waiting_s),
        },
        "income": read_income_progress(connection),
        "ledger": {"balanced": bool(ledger.balanced), "transfers": int(ledger.transfers)},
        "sale": read_sale(connection, SystemClock().now_us()),
        "journal": {
            "records": _records(fronts, journal_directory)
            - int(connection.execute(_UNCREDITED).scalar_one()),
            "durable_lag_ms": max([0.0, *(state.get("durable_lag_ms") or 0.0 for state in fresh)]),
        },
        "nodes": newest.get("nodes", []) if fresh else [],
        "custody": _custody(fresh),
        "standby": read_standby(connection, journal_directory.parent.parent, fresh),
        "stream": read_stream(journal_directory.parent.parent, fresh),
    }  # fmt: skip


def _participant(row: sa.Row[Any]) -> dict[str, Any]:
    """Integers as integers; work as text, since 2^53 is where many readers of JSON lose count."""
    numbers = ("workers", "accepted", "refused", "pending_sat", "mature_sat", "due_tyiyn")
    entry = row._asdict() | {name: int(row._mapping[name]) for name in numbers}
    return entry | {"work_hashes": str(int(row.work_hashes))}


def _service(fresh: list[dict[str, Any]]) -> dict[str, Any]:
    """What the front ends that run now do together."""
    hashrate: Counter[str] = Counter()
    for state in fresh:
        hashrate.update(state.get("hashrate") or {})
    idle = [str(state.get("why") or "not serving") for state in fresh if not state.get("serving")]
    serving = len(idle) < len(fresh)
    return {
        "serving": serving,
        "why": None if serving else next(iter(idle), NOT_RUNNING),
        "hashrate": dict(hashrate),
        "connections": sum(state.get("connections") or 0 for state in fresh),
        "sessions": sum(state.get("sessions") or 0 for state in fresh),
        "doors": merge_doors(state.get("doors") or [] for state in fresh),
    }


def _custody(fresh: list[dict[str, Any]]) -> dict[str, Any]:
    """What the job maker says of its jobs; of several machines, the one with an alarm."""
    said = [state["custody"] for state in fresh if state.get("custody")]
    nothing = {"order": None, "checked": 0, "refused": 0, "why": None, "orders_fault": None}
    alarming = [one for one in said if one["why"] or one.get("orders_fault")]
    shown = next(iter([*alarming, *said]), nothing)
    return {name: shown.get(name) for name in nothing}


def _records(fronts: list[sa.Row[Any]], journal_directory: Path) -> int:
    """Shares in the journals: those on this machine by their files, others by their reports."""
    reported = {row.instance: int(row.state.get("journal_records") or 0) for row in fronts}
    local = {
        int(directory.name): JournalReader(directory).durable()
        for directory in journal_directory.parent.glob("[0-9]*")
        if directory.name.isdigit() and directory.is_dir()
    }
    return sum((reported | local).values())

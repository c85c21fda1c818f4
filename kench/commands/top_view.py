"""What `kench top` shows, read from PostgreSQL and from the job maker's port where it answers."""

import http.client
import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

FRESH_S = 5
ANSWER_S = 0.5
# A state is some kilobytes for each front.
STATE_BYTES_MAX = 16 * 1024 * 1024

RATES = ("hashrate_1m", "hashrate_10m", "hashrate_1h", "hashrate_24h")
OUTCOMES = ("accepted", "stale", "low_difficulty", "duplicate", "other")


class Order(NamedTuple):
    """One way to sort workers: its key on the keyboard, its name, and how it is said in SQL."""

    key: str
    name: str
    by: str


ORDERS = (
    Order("1", "hashrate of a minute", "hashrate_1m DESC"),
    Order("2", "hashrate of ten minutes", "hashrate_10m DESC"),
    Order("3", "hashrate of an hour", "hashrate_1h DESC"),
    Order("4", "hashrate of a day", "hashrate_24h DESC"),
    Order("a", "accepted shares", "accepted DESC"),
    Order("r", "refused shares", "stale + low_difficulty + duplicate + other DESC"),
    Order("l", "last share, the oldest first", "last_share_at NULLS FIRST"),
    Order("s", "sessions", "sessions DESC"),
)
ORDER_OF = {order.key: order for order in ORDERS}


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture: facts of the pool, the first workers, and why something is missing."""

    state: dict[str, Any] | None
    pool: dict[str, float] | None
    workers: list[dict[str, Any]]
    order: Order
    participant: int | None
    trouble: str | None = None


_POOL_NUMBERS = (
    "workers", "sessions", *RATES, *(f"{outcome}_per_s" for outcome in OUTCOMES)
)  # fmt: skip
_POOL = f"""
    SELECT {", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in _POOL_NUMBERS)}
    FROM pool_live WHERE written_at > now() - interval '1 minute'
"""  # noqa: S608 - names of columns, from above
_FRONTS = sa.text("""
    SELECT instance, state FROM front_ends
    WHERE updated_at > clock_timestamp() - make_interval(secs => :fresh_s)
    ORDER BY updated_at DESC, instance
""")
# The first workers are chosen by their rows in the table, one a machine, then summed up as
# everybody sees them: of a worker on several machines the largest part decides if it is here.
_WORKERS = """
    WITH first AS MATERIALIZED (
        SELECT DISTINCT participant_id, worker_id FROM (
            SELECT participant_id, worker_id FROM worker_live
            WHERE worker_id > 0 AND (:participant = 0 OR participant_id = :participant)
            ORDER BY {by} LIMIT :count * (SELECT count(*) FROM pool_live)
        ) AS parts
    )
    SELECT shown.*, extract(epoch FROM now() - last_share_at)::double precision AS last_share_s,
        extract(epoch FROM now() - session_since)::double precision AS session_s
    FROM first CROSS JOIN LATERAL (
        SELECT * FROM worker_statistics AS one
        WHERE one.participant_id = first.participant_id AND one.worker_id = first.worker_id
        OFFSET 0
    ) AS shown
    ORDER BY {by}, participant_id, worker_id LIMIT :count
"""


def read_frame(
    connection: sa.Connection, order: Order, participant: int | None, count: int
) -> Frame:
    """Read one picture with at most `count` workers; the role kench_read suffices."""
    pool = connection.execute(sa.text(_POOL)).one()._asdict()
    fronts = {row.instance: row.state for row in connection.execute(_FRONTS, {"fresh_s": FRESH_S})}
    query = _WORKERS.format(by=order.by)
    chosen = {"participant": participant or 0, "count": count}
    rows = [row._asdict() for row in connection.execute(sa.text(query), chosen)]
    return Frame(state_of(fronts), pool, rows, order, participant)


def state_of(fronts: dict[int, dict[str, Any]]) -> dict[str, Any] | None:
    """Put the fronts' states together as /status does, as far as they are shown."""
    if not fronts:
        return None
    states = list(fronts.values())
    doors: dict[str, dict[str, Any]] = {}
    for state in states:
        for door in state.get("doors") or ():
            known = doors.setdefault(door["name"], door | {"connections": 0, "open": False})
            known["connections"] += door.get("connections") or 0
            known["open"] |= bool(door.get("open"))
    reasons = [str(state.get("why")) for state in states if state.get("why")]
    return {
        "network": states[0].get("network"),
        "height": states[0].get("height"),
        "serving": any(state.get("serving") for state in states),
        "why": next(iter(reasons), None),
        "connections": sum(state.get("connections") or 0 for state in states),
        "durable_lag_ms": max(state.get("durable_lag_ms") or 0.0 for state in states),
        "nodes": states[0].get("nodes") or [],
        "custody": states[0].get("custody"),
        "doors": list(doors.values()),
        "fronts": {str(number): state for number, state in fronts.items()},
    }


def fetch_state(host: str, port: int) -> dict[str, Any] | None:
    """Ask the job maker on this machine; None where nobody answers."""
    asked = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared with, not bound to
    if not port:
        return None
    line = http.client.HTTPConnection(asked, port, timeout=ANSWER_S)
    try:
        line.request("GET", "/status")
        state = json.loads(line.getresponse().read(STATE_BYTES_MAX))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        line.close()
    return state if isinstance(state, dict) and "fronts" in state else None

"""The sale in figures, as status and screens show it: lots by state, coins sold, proceeds."""

from typing import Any

import sqlalchemy as sa

from kench.pool.moments import moment_of
from kench.sale.machine import STUCK
from kench.sale.planner import day_begin_us

_STATES = sa.text("SELECT state, count(*) AS lots FROM lots GROUP BY state")
_SUMS = sa.text("""
    SELECT (SELECT coalesce(sum(output_sat), 0) FROM lots) AS lots_sat,
        (SELECT coalesce(sum(amount_sat), 0) FROM fills) AS sold_sat,
        (SELECT coalesce(sum(amount_sat), 0) FROM fills WHERE at >= :day) AS sold_today_sat,
        (SELECT coalesce(sum(gross_tyiyn), 0) FROM fills) AS gross_tyiyn,
        (SELECT coalesce(sum(net_tyiyn), 0) FROM lot_settlements) AS net_tyiyn
""")
_DIFFERENCES = sa.text("""
    SELECT DISTINCT ON (venue) venue, at, cardinality(differences) AS differences
    FROM reconciliations ORDER BY venue, at DESC
""")
_WAITS = sa.text("""
    SELECT lots.venue, waits.why, count(*) AS lots, min(waits.since) AS since
    FROM lot_waits AS waits JOIN lots USING (block_hash, vout)
    GROUP BY lots.venue, waits.why ORDER BY since, venue, why
""")
_LICENCES = sa.text("""
    SELECT venue, number, until, min(days) AS days FROM licence_warnings
    WHERE until >= CAST(:today AS date) GROUP BY venue, number, until ORDER BY until, venue
""")


def read_sale(connection: sa.Connection, now_us: int) -> dict[str, Any]:
    """Return the sale as one object for `json.dumps`.

    {lots: {state: count}, stuck: lots that people must look at, lots_sat, sold_sat,
    sold_today_sat, gross_tyiyn, net_tyiyn, waits: [{venue, why, lots, since}] of lots that stand
    still, the longest first, licences: [{venue, number, until}] that end soon,
    reconciliations: [{venue, at, differences: count}], the newest of each venue}
    """
    states = {row.state: row.lots for row in connection.execute(_STATES)}
    sums = connection.execute(_SUMS, {"day": moment_of(day_begin_us(now_us))}).one()
    licences = connection.execute(_LICENCES, {"today": moment_of(day_begin_us(now_us))})
    return {
        "lots": states,
        "stuck": sum(count for state, count in states.items() if state in STUCK),
        **{name: int(value) for name, value in sums._asdict().items()},
        "waits": [
            row._asdict() | {"since": row.since.isoformat()} for row in connection.execute(_WAITS)
        ],
        "licences": [
            {"venue": row.venue, "number": row.number, "until": row.until.isoformat()}
            for row in licences
        ],
        "reconciliations": [
            {"venue": row.venue, "at": row.at.isoformat(), "differences": row.differences}
            for row in connection.execute(_DIFFERENCES)
        ],
    }


def sale_lines(sale: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the sale as named lines for people; what they must look at stands out."""
    states = ", ".join(f"{count} {state}" for state, count in sorted(sale["lots"].items()))
    lines = [
        ("lots", states or "none yet"),
        ("sold", f"{sale['sold_sat']} sat of {sale['lots_sat']}, {sale['sold_today_sat']} today"),
        ("proceeds", f"{_kgs(sale['gross_tyiyn'])} KGS, settled {_kgs(sale['net_tyiyn'])} KGS"),
    ]
    if sale["stuck"]:
        lines.append(("SALE", f"{sale['stuck']} lots need people: `kench lot list --stuck`"))
    lines += [
        ("lots wait", f"{one['lots']} of {one['venue']}: {one['why']} since {one['since']}")
        for one in sale["waits"]
    ]
    lines += [
        ("licence", f"of {one['venue']} ({one['number']}) ENDS {one['until']}")
        for one in sale["licences"]
    ]
    lines += [
        ("reconciled", f"{one['venue']}: {one['differences']} DIFFERENCES, `kench reconcile`")
        for one in sale["reconciliations"]
        if one["differences"]
    ]
    return lines


def _kgs(tyiyn: int) -> str:
    whole, rest = divmod(tyiyn, 100)
    return f"{whole}.{rest:02}"

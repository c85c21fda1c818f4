"""A lot that the AML provider left to the officers, as the sale leaves it, without any sale."""

import json

import sqlalchemy as sa

from kench.pool.moments import moment_of

_LOT = sa.text("""
    INSERT INTO lots (block_hash, vout, coinbase_txid, height, venue, address, output_sat,
        amount_sat, venues_order, made_at, state, reason, version, changed_at, credited_at)
    VALUES (:hash, :vout, :hash, :height, :venue, 'a', :sat, :sat, 1, :at, 'held',
        'a score for an officer', 3, :at, :at)
""")
_EVENTS = sa.text("""
    INSERT INTO lot_events VALUES
        (:hash, :vout, 1, 'awaiting_deposit', 'awaiting_deposit', :at, 'kench sell', 'made', 1),
        (:hash, :vout, 2, 'awaiting_deposit', 'screening', :at, 'kench sell', 'credited', NULL),
        (:hash, :vout, 3, 'screening', 'held', :at, 'kench sell', 'a score for an officer', 1)
""")
_SCREENING = sa.text("""
    INSERT INTO screenings (block_hash, vout, attempt, check_id, provider, provider_ref, score_bp,
        level, decision, reason, raw, refuse_over_bp, officer_over_bp, order_number, at)
    VALUES (:hash, :vout, 1, 'c1', 'local', 'KYT-204411', 6120, 'high', 'officer',
        'over_officer: a score for an officer', :raw, 7500, 5000, 1, :at)
""")
ANSWER = {"state": "checked", "score": 61.2, "level": "high", "report": "report KYT-204411",
          "signals": {"mixer": 0.4, "exchange": 0.6}}  # fmt: skip


def add_held_lot(
    db: sa.Connection,
    block_hash: str,
    *,
    vout: int = 0,
    height: int = 101,
    at_us: int,
    sat: int = 312_500_000,
    venue: str = "second",
    said: str = "",
) -> None:
    """Enter it, its way, and what the provider answered; the block is there."""
    db.execute(sa.text("SET LOCAL session_replication_role = replica"))
    named = {"hash": block_hash, "vout": vout, "height": height, "at": moment_of(at_us)}
    db.execute(_LOT, named | {"sat": sat, "venue": venue})
    db.execute(_EVENTS, named)
    db.execute(_SCREENING, named | {"raw": json.dumps(ANSWER | {"note": said}, indent=1)})
    db.execute(sa.text("SET LOCAL session_replication_role = origin"))

"""Orders for tests: documents from rules, and books of them, without any signature."""

from typing import Any

from kench.pool.address import burn_address
from kench.pool.moments import moment_text
from kench.pool.orders.book import OrderBook
from kench.pool.orders.document import Document, canonical, read_document

REGTEST = "regtest"
MOMENT_US = 1_767_204_000_000_000
"""2026-01-01T00:00:00+06:00."""
LICENCE = {
    "venue": "paper", "name": "Paper Venue", "number": "L-1",
    "from": "2026-01-01", "until": "2027-12-31",
}  # fmt: skip
DEMO_RULES: dict[str, Any] = {
    "reward": {"method": "round"},
    "fee": {"pool_ppm": 20_000},
    "venues": [{"venue": "paper", "address": burn_address(REGTEST), "weight": 1}],
    "licences": [LICENCE],
    "screening": {"provider": "local", "refuse_over_bp": 7500, "officer_over_bp": 5000},
    "sale": {
        "slice_sat": 10_000_000, "interval_s": 60, "deviation_bp": 200, "quote_age_s": 30,
        "depth_bp": 2500, "daily_cap_sat": 5_000_000_000, "minimum_sat": 10_000,
        "deposit_overdue_s": 86_400,
    },
    "payout": {"threshold_tyiyn": 100_000},
    "calendar": [{"date": "2026-12-31", "working": False, "act": "resolution 700"}],
}  # fmt: skip
"""Every section, as a small pool on regtest would have it."""
HEIGHT_BOUND = frozenset({"reward", "fee", "venues"})


def content_of(
    number: int,
    rules: dict[str, Any],
    *,
    height: int = 1,
    moment_us: int = MOMENT_US,
    network: str = REGTEST,
) -> dict[str, Any]:
    """Content of an order with these rules; it names the effective points that they need."""
    effective: dict[str, Any] = {}
    if rules.keys() & HEIGHT_BOUND:
        effective["height"] = height
    if rules.keys() - HEIGHT_BOUND:
        effective["moment"] = moment_text(moment_us // 1_000_000 * 1_000_000)
    return {
        "kench_order": 1, "number": number, "title": f"Order {number}", "issued": "2026-01-01",
        "network": network, "effective": effective, "rules": rules,
    }  # fmt: skip


def document(
    number: int,
    rules: dict[str, Any],
    *,
    height: int = 1,
    moment_us: int = MOMENT_US,
    network: str = REGTEST,
) -> Document:
    """An order with these rules."""
    content = content_of(number, rules, height=height, moment_us=moment_us, network=network)
    return read_document(canonical(content))


def book_of(*orders: tuple[int, dict[str, Any]]) -> OrderBook:
    """Book of one order for each pair of an effective height and rules; none: that of DEMO_RULES.

    Moment-bound rules of all of them are in force from MOMENT_US on.
    """
    pairs = orders or ((1, DEMO_RULES),)
    return OrderBook.of(
        document(number, rules, height=height)
        for number, (height, rules) in enumerate(pairs, start=1)
    )

"""`kench reconcile`: compare chain, lots and fills with what each venue says, now."""

import json

from kench.pool.clock import SystemClock
from kench.pool.database import Role, check_schema, open_engine
from kench.pool.errors import KenchError
from kench.pool.orders.book import OrderBook
from kench.pool.postgres import database_url
from kench.pool.roots import command, run_root, settings_of, start_logging
from kench.pool.running import venues_of
from kench.sale.desk import Desk
from kench.sale.reconcile import Reconciliation, reconcile, write_reconciliation
from kench.sale.venues.registry import open_venues

ROLE = "reconcile"


class NothingToReconcileError(KenchError):
    """No venue is known."""


def main() -> int:
    """Reconcile each venue; 0 where nothing differs, 1 where something does."""
    parser = command(
        ROLE,
        "Compare what blocks pay, what venues credited, our lots, fills and balances with the\n"
        "venues' own word, and list what differs (exit status 1). `kench sell` does so daily.",
        example="kench reconcile --data ./data",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    settings = settings_of(arguments)
    start_logging(ROLE)
    clock = SystemClock()
    venues = open_venues(venues_of(settings), clock)
    if not venues:
        raise NothingToReconcileError(
            "no venue is known: set KENCH_VENUES, or start `kench up` first"
        )
    found: dict[str, Reconciliation] = {}
    with database_url(settings) as url:
        engine = open_engine(url, Role.SELL, application_name="kench reconcile", pool_size=1)
        check_schema(engine)
        desk = Desk(engine.begin, clock, OrderBook, venues, {})
        for name, venue in venues.items():
            found[name] = reconcile(desk, venue)
            write_reconciliation(desk, name, found[name])
        engine.dispose()
    if arguments.json:
        print(json.dumps({name: one.differences for name, one in found.items()}))
    else:
        for name, one in found.items():
            for words in one.differences:
                print(f"{name}: {words}")
        count = sum(len(one.differences) for one in found.values())
        print(f"kench reconcile: {f'{count} differences' if count else 'nothing differs'}")
    return 1 if any(one.differences for one in found.values()) else 0


if __name__ == "__main__":
    run_root(ROLE, main)

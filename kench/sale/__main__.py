"""Root of `kench sell`: sells the coins of mature blocks at licensed venues, as orders say."""

import logging
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

from kench.pool.backoff import Backoff
from kench.pool.clock import SystemClock
from kench.pool.database import Role, check_schema, open_engine
from kench.pool.errors import KenchError
from kench.pool.holder import Holder
from kench.pool.lease import Work
from kench.pool.orders.book import OrderBook
from kench.pool.orders.verifying import verifier_of
from kench.pool.orders.watch import OrderWatch
from kench.pool.postgres import database_url
from kench.pool.roots import announce, command, run_root, settings_of, start_logging
from kench.pool.running import venues_of
from kench.pool.shipping.lead_watch import LeadWatch
from kench.pool.shipping.leading import require_lead
from kench.pool.web.watching import watched
from kench.sale.desk import Desk
from kench.sale.executor import Executor
from kench.sale.lanes import VENUES_AT_ONCE
from kench.sale.metrics import SellMetrics
from kench.sale.screened import SCREENINGS_AT_ONCE
from kench.sale.screening.registry import open_screenings
from kench.sale.service import RETRY_MAX_S, SaleService
from kench.sale.settling import settle
from kench.sale.venues.counted import CountedVenue
from kench.sale.venues.registry import open_venues
from kench.sale.wishes import Wishes

ROLE = "sell"
CONNECTIONS = 3
"""To the database, beside one for each lane: the lease's, that of the turns, the orders'."""


class NoVenueError(KenchError):
    """No venue is set and none of `kench up` runs."""


def main() -> None:
    """Sell until SIGTERM or Ctrl-C."""
    parser = command(
        ROLE,
        "Make lots of mature blocks, have them screened, sell them at licensed venues by the order "
        "in\nforce, and settle what they brought. Several may run: one sells, the others stand by.",
        example="KENCH_DATABASE_URL_FILE=/etc/kench/database_url kench sell --data /var/lib/kench",
    )
    settings = settings_of(parser.parse_args())
    require_lead(settings)
    start_logging(ROLE)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every request
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    clock = SystemClock()
    lead = LeadWatch(settings, clock).start()
    opened = open_venues(venues_of(settings), clock)
    venues = {name: CountedVenue(venue, clock) for name, venue in opened.items()}
    if not venues:
        raise NoVenueError("no venue is known: set KENCH_VENUES, or start `kench up` first")
    verifier = verifier_of(settings)
    with database_url(settings) as url:
        engine = open_engine(
            url, Role.SELL, application_name="kench sell", pool_size=CONNECTIONS + VENUES_AT_ONCE
        )
        check_schema(engine)
        watch = OrderWatch(engine, verifier)
        watch.load()
        watch.start()

        def orders() -> OrderBook:
            return watch.book

        # A resolution names a lot and no network: its coins are those of the orders.
        officers = verifier_of(settings, lambda _document: watch.book.network)
        screenings = open_screenings(settings, orders, clock)
        plain = engine.execution_options(isolation_level="AUTOCOMMIT")
        holder = Holder(
            engine, Work.SELL, clock, Backoff(clock, RETRY_MAX_S), lease_s=settings.lease_s
        )
        desk = Desk(
            holder.engine.begin, clock, orders, venues, screenings,
            look=plain.connect, snapshots=engine.begin, require_lead=holder.require,
        )  # fmt: skip
        with (
            ThreadPoolExecutor(VENUES_AT_ONCE, "venue") as lanes,
            ThreadPoolExecutor(SCREENINGS_AT_ONCE, "screening") as checks,
        ):

            def executor() -> Executor:
                return Executor(desk, settle(orders, clock), lanes, checks)

            service = SaleService(holder, desk, executor, Wishes(desk, officers))
            metrics = SellMetrics(service, venues, clock)
            host, port = settings.metrics_host, settings.sell_metrics_port
            with watched(ROLE, host, port, metrics, lambda: service.why):
                announce(ROLE, "ready")
                service.run(stop)
            checks.shutdown(wait=False, cancel_futures=True)
        watch.stop()
        engine.dispose()
    lead.end()


if __name__ == "__main__":
    run_root(ROLE, main)

"""The root of `kench cabinet`: the personal cabinet as a web server."""

import logging
import os
import sys

from kench.cabinet.alerts.sending import Sender
from kench.cabinet.alerts.watch import THREADS as ALERT_THREADS
from kench.cabinet.alerts.watch import AlertWatch
from kench.cabinet.cabinet import Cabinet
from kench.cabinet.desk.sealing import THREADS as SEALING_THREADS
from kench.cabinet.desk.sealing import Sealer
from kench.cabinet.door import Door, Doors, context_of
from kench.cabinet.login.revoked import THREADS as REVOKED_THREADS
from kench.cabinet.login.revoked import RevokedLogins
from kench.cabinet.login.sweep import Sweep
from kench.cabinet.numbers.kept_country import COUNTRY_THREADS
from kench.cabinet.personal.retention import Retention
from kench.cabinet.reports.work import WORK_THREADS
from kench.cabinet.serving import listen, serve
from kench.cabinet.web.app import make_app
from kench.cabinet.web.assets import check_assets, read_assets
from kench.cabinet.web.entering import limits_of
from kench.cabinet.web.officers import make_officers_app
from kench.cabinet.web.threads import THREADS_MAX
from kench.pool.clock import SystemClock
from kench.pool.collector import spare_collector
from kench.pool.database import Role, check_schema, open_engine
from kench.pool.orders.verifying import certificates_of, lists_of, roots_of, verifier_of
from kench.pool.orders.watch import OrderWatch
from kench.pool.postgres import database_url
from kench.pool.roots import announce, command, run_root, settings_of, start_logging
from kench.pool.settings import Settings
from kench.pool.shipping.lead_watch import LeadWatch
from kench.pool.shipping.leading import require_lead
from kench.pool.signature.certificates import CertificateChecker
from kench.pool.signature.lists import FreshLists

ROLE = "cabinet"
STATEMENT_S = 10.0
"""A page that a statement keeps longer is of no use to anybody."""
SWITCH_S = 0.0005
"""A thread gives way to others that wait after so long. A page asks PostgreSQL a dozen times, and
after each answer it would wait for whoever draws another page: 5 ms each time by default."""
CONNECTIONS = (
    SEALING_THREADS + THREADS_MAX + ALERT_THREADS + REVOKED_THREADS + WORK_THREADS + COUNTRY_THREADS
)
RESTED_S = 1.0
"""A connection that rested for so long is tried first: PostgreSQL may have gone meanwhile."""


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = command(
        ROLE,
        "Serve the personal cabinet: registration, the participants' pages, the officers' desk.\n"
        "People enter by digital signature. A web server with TLS stands in front of it.",
        example="kench cabinet --data ./data --cabinet-port 8080",
    )
    parser.add_argument("--cabinet-host", metavar="HOST", help="address to listen on (127.0.0.1)")
    parser.add_argument("--cabinet-port", type=int, metavar="N", help="0: any free one (8080)")
    parser.add_argument(
        "--cabinet-officers-port", type=int, metavar="N", help="officers' door; 0: any free one"
    )
    settings = require_lead(settings_of(parser.parse_args()))
    check_assets(read_assets())
    start_logging(ROLE)
    logging.getLogger("pyhanko").setLevel(logging.CRITICAL)  # it logs each refusal's traceback
    listener = listen(settings.cabinet_host, settings.cabinet_port)
    settings = settings.model_copy(update={"cabinet_port": int(listener.getsockname()[1])})
    door, settings = _open_door(settings)
    clock = SystemClock()
    lead = LeadWatch(settings, clock).start()
    lists = lists_of(settings, clock)
    lists.start()
    with database_url(settings) as url:
        engine = open_engine(
            url, Role.CABINET, application_name="kench cabinet", pool_size=CONNECTIONS,
            statement_timeout_s=STATEMENT_S, rested_s=RESTED_S,
        )  # fmt: skip
        check_schema(engine)
        orders = OrderWatch(engine, verifier_of(settings, lists=lists))
        orders.load()
        orders.start()
        # What people sign is about the coins of the orders' network: the demo's may on regtest.
        persons = verifier_of(settings, lambda _text: orders.book.network, lists)
        cabinet = Cabinet(engine, settings, clock, os.urandom, persons, orders)
        checker = certificates_of(settings, lambda: orders.book.network, lists)
        revoked = _watch_logins(cabinet, lists, checker)
        sweep = Sweep(engine, clock)
        retention = Retention(engine, clock, settings.personal_unsigned_d)

        def on_start() -> None:
            spare_collector()
            sys.setswitchinterval(SWITCH_S)
            announce(ROLE, settings.cabinet_origin)
            if door is not None:
                announce(ROLE, f"officers {settings.officers_origin}")
            announce(ROLE, "ready")

        people = make_app(cabinet, on_start)
        alerts = AlertWatch(
            engine, Sender(settings, cabinet.clock), cabinet.clock, settings.cabinet_origin,
            random_bytes=os.urandom, registry=people.state.metrics.registry,
            lease_s=settings.lease_s,
        )  # fmt: skip
        sealer = Sealer(engine, people.state.metrics.registry)
        for started in (sweep, retention, alerts, sealer):
            started.start()
        if door is None:
            serve(people, listener)
        else:
            officers = make_officers_app(people, settings.officers_origin, checker)
            serve(Doors(people, officers), listener, door)
        for looking in (revoked, sweep, retention, alerts, sealer, orders, lists):
            looking.stop()
        engine.dispose()
    lead.end()


def _watch_logins(
    cabinet: Cabinet, lists: FreshLists, checker: CertificateChecker
) -> RevokedLogins:
    """End logins from now on whose certificate is revoked."""
    watch = RevokedLogins(
        cabinet.engine,
        cabinet.clock,
        lists=lists.current,
        checker=checker,
        asks=bool(cabinet.settings.signature_ocsp_urls),
        idle_us=limits_of(cabinet).idle_us,
    )
    watch.start()
    return watch


def _open_door(settings: Settings) -> tuple[Door | None, Settings]:
    """Open the officers' door, if there is one; return it, and the settings with its port."""
    port = settings.cabinet_officers_port
    certificate, key = settings.cabinet_officers_certificate, settings.cabinet_officers_key
    if port is None or certificate is None or key is None:
        return None, settings
    context = context_of(certificate, key, roots_of(settings))
    listener = listen(settings.cabinet_officers_host, port, "cabinet-officers-port")
    port = int(listener.getsockname()[1])
    return Door(listener, context), settings.model_copy(update={"cabinet_officers_port": port})


if __name__ == "__main__":
    run_root(ROLE, main)

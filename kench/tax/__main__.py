"""The root of `kench tax`: income for the tax service, over X-Road."""

import logging

from kench.pool.clock import SystemClock
from kench.pool.database import Role, check_schema, open_engine
from kench.pool.origins import plain_origin
from kench.pool.postgres import database_url
from kench.pool.roots import announce, command, run_root, settings_of, start_logging
from kench.pool.shipping.lead_watch import LeadWatch
from kench.pool.shipping.leading import require_lead
from kench.tax.app import THREADS_MAX, make_app, make_watch_app
from kench.tax.provider import Provider
from kench.tax.pushing import THREADS as PUSH_THREADS
from kench.tax.pushing import PushSender
from kench.tax.retention import THREADS as RETENTION_THREADS
from kench.tax.retention import Retention
from kench.tax.serving import context_of, listen, serve

ROLE = "tax"
STATEMENT_S = 20.0


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = command(
        ROLE,
        "Hand income over to the tax service: a provider of X-Road, asked by our own security "
        "server\nalone, and what sends closed periods by it, where tax_push_url says so.",
        example="kench tax --data /var/lib/kench --tax-port 8090",
    )
    parser.add_argument("--tax-host", metavar="HOST", help="address to listen on (127.0.0.1)")
    parser.add_argument("--tax-port", type=int, metavar="N", help="0: any free one (8090)")
    parser.add_argument(
        "--tax-metrics-port", type=int, metavar="N", help="metrics and health (9336)"
    )
    settings = require_lead(settings_of(parser.parse_args()))
    start_logging(ROLE)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every request
    context = context_of(settings)
    listener = listen(settings.tax_host, settings.tax_port, "tax_port")
    watched = listen(settings.metrics_host, settings.tax_metrics_port, "tax_metrics_port")
    lead = LeadWatch(settings, SystemClock()).start()
    with database_url(settings) as url:
        engine = open_engine(
            url,
            Role.TAX,
            application_name="kench tax",
            pool_size=THREADS_MAX + PUSH_THREADS + RETENTION_THREADS,
            statement_timeout_s=STATEMENT_S,
        )
        check_schema(engine)
        provider = Provider(engine, settings, SystemClock())
        looking = (Retention(provider), PushSender(provider))
        for one in looking:
            one.start()

        def on_start() -> None:
            scheme = "https" if context else "http"
            port = int(listener.getsockname()[1])
            announce(ROLE, plain_origin(settings.tax_host, port, scheme))
            metrics = int(watched.getsockname()[1])
            announce(ROLE, f"metrics {plain_origin(settings.metrics_host, metrics)}")
            announce(ROLE, "ready")

        serve(make_app(provider, on_start), make_watch_app(provider), listener, watched, context)
        for one in looking:
            one.stop()
        engine.dispose()
    lead.end()


if __name__ == "__main__":
    run_root(ROLE, main)

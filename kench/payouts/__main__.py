"""Root of `kench settle`: turns shares into totals, rounds and ledger entries."""

import signal
import threading

import structlog

from kench.native import require_compiled
from kench.payouts.follow import ChainWatch
from kench.payouts.income.service import IncomeMaker
from kench.payouts.metrics import SettleMetrics
from kench.payouts.orders import OrdersInForce
from kench.payouts.proofs.evidence import EvidenceKey
from kench.payouts.proofs.service import ManifestMaker
from kench.payouts.service import SettlementService
from kench.pool.clock import Clock, SystemClock
from kench.pool.database import Role, check_schema, open_engine
from kench.pool.errors import KenchError
from kench.pool.nodes.chain import ChainView
from kench.pool.orders.verifying import verifier_of
from kench.pool.postgres import database_url
from kench.pool.roots import announce, command, run_root, settings_of, start_logging
from kench.pool.rpc import Node
from kench.pool.running import node_urls_of
from kench.pool.settings import Settings
from kench.pool.shipping.lead_watch import LeadWatch
from kench.pool.shipping.leading import require_lead
from kench.pool.web.watching import watched
from kench.pool.wire_settings import networks_to_take

ROLE = "settle"
MANIFESTS_STOP_S = 1.0
"""A manifest that takes longer is left, and made at the next start."""


class NoNodeError(KenchError):
    """No node is set and none of `kench up` runs."""


def main() -> None:
    """Settle until SIGTERM or Ctrl-C."""
    parser = command(
        ROLE,
        "Book shares into totals and rounds, rewards into the ledger, and follow found blocks.",
        example="KENCH_DATABASE_URL_FILE=/etc/kench/db kench settle --data /var/lib/kench",
    )
    settings = settings_of(parser.parse_args())
    require_compiled()
    require_lead(settings)
    start_logging(ROLE)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    clock = SystemClock()
    lead = LeadWatch(settings, clock).start()
    orders = OrdersInForce(lambda: verifier_of(settings))
    chain = ChainView(nodes_of(settings), clock, settings.network, networks_to_take(settings))
    with database_url(settings) as url:
        engine = open_engine(url, Role.SETTLE, application_name="kench settle", pool_size=2)
        check_schema(engine)
        with engine.connect() as connection:
            orders.on(connection)
        service = SettlementService(
            engine,
            settings.data_dir / "journal",
            ChainWatch(chain, settings.maturity_confirmations),
            clock,
            orders_on=orders.on,
            lease_s=settings.lease_s,
        )
        host, port = settings.metrics_host, settings.settle_metrics_port
        metrics = SettleMetrics(service.progress, lambda: service.is_at_work)
        with watched(ROLE, host, port, metrics, lambda: service.why):
            _settle(settings, url, clock, service, stop)
        engine.dispose()
    lead.end()


def _settle(
    settings: Settings, url: str, clock: Clock, service: SettlementService, stop: threading.Event
) -> None:
    """Settle until `stop`, with what else is made of the books in threads beside."""
    manifests = _start_manifests(settings, url, clock, stop)
    income = _start_income(url, clock, stop)
    announce(ROLE, "ready")
    try:
        service.run(stop)
    finally:
        stop.set()
        manifests.join(MANIFESTS_STOP_S)
        income.join(MANIFESTS_STOP_S)


def _start_manifests(
    settings: Settings, url: str, clock: Clock, stop: threading.Event
) -> threading.Thread:
    """Begin to sign what blocks paid, with the key that is set, else one that is made here."""
    path = settings.evidence_key
    key = EvidenceKey.read(path) if path else EvidenceKey.make(settings.own_evidence_key)
    structlog.get_logger(ROLE).info("manifests are signed", public_key=key.public.hex())
    engine = open_engine(url, Role.SETTLE, application_name="kench settle manifests", pool_size=1)
    orders = OrdersInForce(lambda: verifier_of(settings))
    journals = settings.data_dir / "journal"
    return ManifestMaker(engine, journals, key, clock, orders_on=orders.on).start(stop)


def _start_income(url: str, clock: Clock, stop: threading.Event) -> threading.Thread:
    """Begin to form the income records of days that are over."""
    engine = open_engine(url, Role.SETTLE, application_name="kench settle income", pool_size=1)
    return IncomeMaker(engine, clock).start(stop)


def nodes_of(settings: Settings) -> list[Node]:
    """Return the nodes of the settings, else those of `kench up`."""
    urls = node_urls_of(settings)
    if not urls:
        raise NoNodeError("no node is known: set KENCH_NODE_URLS, or start `kench up` first")
    return [Node(url) for url in urls]


if __name__ == "__main__":
    run_root(ROLE, main)

"""The root of `kench up`: flags, checks, signals, and the site."""

import argparse
import os
import signal
import threading

from kench.native import require_compiled
from kench.pool.clock import Clock, SystemClock
from kench.pool.roots import command, run_root, settings_of, start_logging
from kench.pool.settings import Settings
from kench.pool.shipping.lead_watch import LeadWatch
from kench.pool.shipping.leading import require_lead
from kench.up.calibration import block_difficulty_for, hashes_per_s
from kench.up.environment import fit_difficulties, variables_beside_file
from kench.up.logfile import open_log
from kench.up.preflight import (
    Patience,
    check_nodes,
    claim_cabinet_port,
    claim_doors,
    claim_port,
    lock_folder,
    port_patience_s,
    prepare_folder,
)
from kench.up.screen import Screen
from kench.up.site import Ports, Site

ROLE = "up"


def main() -> None:
    """Run everything until Ctrl-C or SIGTERM."""
    given = _parse()
    read = settings_of(given)
    require_compiled()
    require_lead(read)
    clock, stop = SystemClock(), threading.Event()
    prepare_folder(read)
    lock = lock_folder(read)
    try:
        settings, ports = _check(read, clock, stop)
        flags = {name for name, value in vars(given).items() if value is not None}
        told = variables_beside_file(read, flags, settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        screen = Screen(clock)
        # Not on stderr: the live table has the terminal.
        with open_log(settings.log_directory / "up.log") as log:
            start_logging(ROLE, log)
            lead = LeadWatch(read, clock).start()
            _run(Site(settings, told, ports, clock, screen.say), screen, stop)
            lead.end()
    finally:
        os.close(lock)


def _parse() -> argparse.Namespace:
    parser = command(
        ROLE,
        "Start everything on this machine: embedded PostgreSQL, a regtest node (or use yours), "
        "the stratum server, settlement, the personal cabinet and a CPU miner.",
        example="kench up --data ./data\n"
        "  kench up --node-url http://127.0.0.1:8332?cookie=/var/lib/bitcoind/.cookie "
        "--node-zmq tcp://127.0.0.1:28332",
    )
    parser.add_argument("--stratum-port", type=int, metavar="N", help="port for miners (3333)")
    parser.add_argument("--metrics-port", type=int, metavar="N", help="port of metrics (9333)")
    parser.add_argument("--cabinet-port", type=int, metavar="N", help="port of the cabinet (8080)")
    parser.add_argument(
        "--no-miner", dest="cpu_miner", action="store_const", const=False, help="no CPU miner"
    )
    parser.add_argument(
        "--node-url",
        dest="node_urls",
        nargs="+",
        action="extend",
        metavar="URL",
        help="http://host:port?cookie=/path of Bitcoin Core, or a private file with URLs by "
        "KENCH_NODE_URLS_FILE; several are a failover list",
    )
    parser.add_argument(
        "--node-zmq",
        dest="node_zmq",
        nargs="+",
        action="extend",
        metavar="URL",
        help="tcp://host:port where those nodes publish hashblock, in the same order",
    )
    parser.add_argument("--start-difficulty", type=float, metavar="D", help="of new connections")
    parser.add_argument("--min-difficulty", type=float, metavar="D", help="floor of difficulty")
    return parser.parse_args()


def _check(settings: Settings, clock: Clock, stop: threading.Event) -> tuple[Settings, Ports]:
    """Find every fault that can be found before anything starts; fill in what nobody chose."""
    patience = Patience(port_patience_s(settings), clock, stop.wait)
    settings = claim_doors(settings, patience)
    metrics = claim_port(settings.metrics_host, settings.metrics_port, "--metrics-port", patience)
    cabinet = claim_cabinet_port(settings, patience)
    settings = settings.model_copy(update={"cabinet_port": cabinet})
    network = None
    if settings.node_urls:
        network = check_nodes(settings)
        if network != "regtest" and "cpu_miner" not in settings.model_fields_set:
            # A CPU finds nothing on a real network.
            settings = settings.model_copy(update={"cpu_miner": False})
        settings = fit_difficulties(settings, network or "unknown")
    else:
        if "block_difficulty" not in settings.model_fields_set:
            easy = block_difficulty_for(hashes_per_s(clock))
            settings = settings.model_copy(update={"block_difficulty": easy})
        settings = fit_difficulties(settings, None)
    return settings, Ports(settings.stratum_port, metrics)


def _run(site: Site, screen: Screen, stop: threading.Event) -> None:
    def on_ready() -> None:
        screen.say("kench: ready")
        screen.start()

    try:
        site.start(stop, on_ready)
        site.run(stop, lambda: screen.show(site.status))
    finally:
        screen.stop()
        killed = site.stop()
        for role in killed:
            screen.say(f"kench: {role} did not stop in time and was killed")
    screen.say("kench: stopped")


if __name__ == "__main__":
    run_root(ROLE, main)

"""Composition root of `kench consumer`: what the tax service does, as a sample."""

import argparse
import logging
import os
import ssl
import sys
from pathlib import Path

import httpx

from kench.consumer.asking import Asking, NotToldError, Route
from kench.consumer.checking import Report, pull
from kench.consumer.receiving import Receiver
from kench.pool.listening import open_port
from kench.pool.orders.verifying import DEMO_NETWORK, verifier_of
from kench.pool.origins import plain_origin
from kench.pool.roots import announce, command, run_root, settings_of, start_logging
from kench.pool.web.serving import config_of, serve_at, take_signals

ROLE = "consumer"
PORT = 9680
BACKLOG = 128
CONNECTIONS_MAX = 64
CLIENT = "KG/GOV/10000001/taxes"
TIMEOUT_S = 60.0
EXIT_DIFFERS = 2


def main() -> int:
    """Pull a period and check it, or take what is sent."""
    arguments = _parse()
    settings = settings_of(arguments)
    start_logging(ROLE)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every request
    if arguments.act == "receive":
        _receive(arguments)
        return 0
    verifier = verifier_of(settings, lambda _text: DEMO_NETWORK)
    route = Route(arguments.url.rstrip("/"), arguments.client, arguments.service)
    with _client(arguments) as http:
        asking = Asking(route, os.urandom, http)
        report = pull(
            asking, arguments.period, verifier,
            limit=arguments.limit, receipts=arguments.receipts, say=_say,
        )  # fmt: skip
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    sys.stdout.write(show(report))
    return EXIT_DIFFERS if report.differences else 0


def _say(words: str) -> None:
    """Show how far it is, on a terminal only."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{words} so far")
        sys.stderr.flush()


def show(report: Report) -> str:
    """Return the report for people."""
    lines = [f"period {report.period}, version {report.version}"]
    lines += [f"  signed by {name}" for name in report.signers]
    lines += [f"  records {report.records}, participants {report.participants}"]
    lines += [f"  {name} {value}" for name, value in report.totals.items()]
    if report.rejected:
        lines.append(f"  rejected {report.rejected}")
    if not report.differences:
        lines.append("  no differences")
    for one in report.differences:
        lines.append(f"  DIFFERS {one.what}: said {one.said}, found {one.found}")
    if report.more:
        lines.append(f"  and {report.more} more")
    return "\n".join(lines) + "\n"


def _parse() -> argparse.Namespace:
    parser = command(
        ROLE,
        "Do what the tax service does, as a sample: pull a closed period over X-Road, check the "
        "digests\nof all records, the sums and both officers' signatures, send receipts; or take "
        "what is sent.\nSignatures are checked by KENCH_SIGNATURE_ROOTS. Status 2: something "
        "differs.",
        example="kench consumer pull --period 2026-10 --url http://127.0.0.1:9580 "
        "--service KG/GOV/1/mining/income\n  kench consumer receive --port 9680",
    )
    parser.add_argument("act", choices=("pull", "receive"), help="what to do")
    parser.add_argument("--period", metavar="MONTH", help="such as 2026-10")
    parser.add_argument("--url", default="http://127.0.0.1:8090", metavar="URL",
                        help="our security server; without --service the provider")  # fmt: skip
    parser.add_argument("--service", default="", metavar="NAME", help="the provider's service")
    parser.add_argument("--client", default=CLIENT, metavar="NAME", help=f"our name ({CLIENT})")
    parser.add_argument("--limit", type=int, default=1000, metavar="N", help="records of a page")
    parser.add_argument("--receipts", action="store_true", help="send what became of each record")
    parser.add_argument(
        "--certificate", type=Path, metavar="FILE", help="PEM; shown to that server"
    )
    parser.add_argument("--key", type=Path, metavar="FILE", help="what it is proven by")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="PEM; who that server is")
    parser.add_argument("--host", default="127.0.0.1", metavar="HOST", help="receive: address")
    parser.add_argument("--port", type=int, default=PORT, metavar="N", help="receive: 0: any free")
    parser.add_argument("--unknown", type=int, nargs="+", default=[], metavar="N",
                        help="receive: participants whose records are rejected")  # fmt: skip
    arguments = parser.parse_args()
    if arguments.act == "pull" and not arguments.period:
        parser.error("pull needs --period")
    return arguments


def _client(arguments: argparse.Namespace) -> httpx.Client:
    verify: ssl.SSLContext | bool = False
    if arguments.url.startswith("https://"):
        try:
            authorities = str(arguments.ca) if arguments.ca else None
            verify = ssl.create_default_context(cafile=authorities)
            if arguments.certificate and arguments.key:
                verify.load_cert_chain(arguments.certificate, arguments.key)
        except (OSError, ValueError) as error:
            raise NotToldError(f"cannot use these certificates: {error}") from error
    return httpx.Client(verify=verify, timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)


def _receive(arguments: argparse.Namespace) -> None:
    receiver = Receiver(frozenset(arguments.unknown))
    try:
        listener = open_port(arguments.host, arguments.port, BACKLOG)
    except OSError as error:
        raise NotToldError(
            f"cannot listen on port {arguments.port}: give another --port"
        ) from error
    take_signals()
    announce(ROLE, plain_origin(arguments.host, int(listener.getsockname()[1])))
    announce(ROLE, "ready")
    serve_at(config_of(receiver.app, CONNECTIONS_MAX, lifespan="off"), listener)


if __name__ == "__main__":
    run_root(ROLE, main)

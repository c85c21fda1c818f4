"""Composition root of `kench pki`: the development authority."""

import argparse
import socket

from kench.pki.authority import Authority, make_authority, open_authority
from kench.pki.people import PASSWORD, Duty, Kind
from kench.pki.server import PkiServer
from kench.pool.clock import SystemClock
from kench.pool.errors import KenchError
from kench.pool.roots import announce, command, run_root, settings_of, start_logging
from kench.pool.settings import Settings
from kench.pool.web.serving import config_of, serve_at, take_signals

ROLE = "pki"
PORT = 9481
CONNECTIONS_MAX = 64
REGTEST = "regtest"


class PkiNetworkError(KenchError):
    """A development authority has no place where coins are worth something."""


class PkiPlaceError(KenchError):
    """It cannot listen where it should."""


def main() -> None:
    """Run one action on the authority of a data folder."""
    arguments = _parser().parse_args()
    settings = settings_of(arguments)
    start_logging(ROLE)
    _check_network(settings)
    folder, clock = settings.demo_pki_directory, SystemClock()
    if arguments.action == "init":
        made = make_authority(folder, clock)
        print(f"development authority in {made.folder}, for regtest alone")
        return
    authority = open_authority(folder, clock)
    match arguments.action:
        case "participant" | "officer":
            _issue(authority, arguments)
        case "revoke":
            gone = authority.revoke(arguments.who)
            print(f"revoked {gone.stem} ({gone.name}, {gone.pin}); the new list is in {folder}")
        case "crl":
            authority.write_list()
            print(f"a new list is in {folder}")
        case "list":
            for one in authority.issued():
                state = f"revoked {one.revoked_at.isoformat()}" if one.revoked_at else "good"
                print(f"{one.pin}  {one.duty:<11}  {one.kind:<3}  {one.stem}.p12  {one.name}  "
                      f"{state}")  # fmt: skip
        case _:
            _serve(authority, arguments.host, arguments.port)


def _parser() -> argparse.ArgumentParser:
    parser = command(
        ROLE,
        "A development authority in DATA/run/pki: certificates of persons, .p12 files, the list\n"
        "of revoked ones, OCSP. For regtest alone: no pool on another network trusts it.",
        example='kench pki participant "Асан Усенов" 21507198500123 --kind rsa',
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _action(actions, "init", "make the authority where there is none", "kench pki init")
    for duty in Duty:
        issue = _action(
            actions,
            duty,
            f"certify a person, to be {'an' if duty is Duty.OFFICER else 'a'} {duty}",
            f'kench pki {duty} "Асан Усенов" 21507198500123',
        )
        issue.add_argument("name", metavar="NAME", help="who it is")
        issue.add_argument("pin", metavar="PIN", help="personal number, 14 digits")
        issue.add_argument(
            "--kind", choices=[*Kind], type=Kind, default=Kind.RSA, help="of the key (rsa)"
        )
    revoke = _action(actions, "revoke", "revoke a certificate", "kench pki revoke 21507198500123")
    revoke.add_argument("who", metavar="WHO", help="personal number, or name of the files")
    _action(actions, "crl", "write the list of revoked certificates anew", "kench pki crl")
    _action(actions, "list", "show all certificates", "kench pki list")
    serve = _action(
        actions, "serve", "answer OCSP at /ocsp, the list at /crl", "kench pki serve --port 9481"
    )
    serve.add_argument("--host", default="127.0.0.1", metavar="HOST", help="address to listen on")
    serve.add_argument("--port", type=int, default=PORT, metavar="N", help="0: any free one")
    return parser


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    example: str,
) -> argparse.ArgumentParser:
    return actions.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _check_network(settings: Settings) -> None:
    """Raise PkiNetworkError unless it is plain that the coins are worth nothing."""
    if settings.network == REGTEST or (settings.network is None and not settings.node_urls):
        return
    raise PkiNetworkError(
        "kench pki is for development on regtest: here are other people's nodes, so set "
        "KENCH_NETWORK=regtest if that is what they are on"
    )


def _issue(authority: Authority, arguments: argparse.Namespace) -> None:
    duty = Duty(arguments.action)
    holder = authority.issue(arguments.name, arguments.pin, kind=arguments.kind, duty=duty)
    print(f"{holder.p12_path}, password {PASSWORD}")
    if duty is Duty.OFFICER:
        print(f'enter the officer too: kench officer add {holder.pin} "{holder.name}" "demo"')


def _serve(authority: Authority, host: str, port: int) -> None:
    try:
        listening = socket.create_server((host, port), backlog=128)
    except (OSError, OverflowError) as error:
        raise PkiPlaceError(
            f"cannot listen on {host} port {port} ({error}): give another --host or --port"
        ) from error
    take_signals()
    config = config_of(PkiServer(authority).app, CONNECTIONS_MAX, lifespan="off")
    with listening:
        announce(ROLE, f"http://{host}:{listening.getsockname()[1]}")
        announce(ROLE, "ready")
        serve_at(config, listening)


if __name__ == "__main__":
    run_root(ROLE, main)

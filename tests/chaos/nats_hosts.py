"""Three NATS servers on hosts of their own, that let in who has a certificate."""

import shutil
from pathlib import Path

from tests.chaos.hosts import Host
from tests.chaos.services import Service

PORT, ROUTES = 4222, 6222
CONF = """
server_name: {name}
listen: {address}:{port}
tls {{ cert_file: "{certificate}", key_file: "{key}", ca_file: "{authority}", verify: true }}
jetstream {{ store_dir: "{folder}", max_memory_store: 64MB, max_file_store: 1GB }}
cluster {{ name: chaos, listen: {address}:{routes_port}, routes: [{routes}] }}
"""


def why_not() -> str | None:
    """Say why there can be no servers; None where there can."""
    return None if program() else "no nats-server: apt-get install nats-server"


def program() -> str | None:
    """Return the server's program, where there is one."""
    return shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")


def urls_of(hosts: list[Host]) -> str:
    """Return where they listen."""
    return " ".join(f"tls://{host.address}:{PORT}" for host in hosts)


def servers_of(
    hosts: list[Host], folder: Path, certificate: Path, key: Path, authority: Path
) -> list[Service]:
    """Return a server for each host, not started; together they are a cluster."""
    routes = ", ".join(f"nats://{host.address}:{ROUTES}" for host in hosts)
    servers = []
    for host in hosts:
        store = folder / host.name
        store.mkdir(parents=True)
        conf = folder / f"{host.name}.conf"
        conf.write_text(
            CONF.format(
                name=host.name, address=host.address, port=PORT, certificate=certificate, key=key,
                authority=authority, folder=store, routes_port=ROUTES, routes=routes,
            )
        )  # fmt: skip
        words = ["sh", "-c", 'exec "$@" 2>&1', "sh", program() or "nats-server", "-c", str(conf)]
        log = folder / f"{host.name}.log"
        servers.append(Service(host, host.name, words, {}, log, ready="Server is ready"))
    return servers

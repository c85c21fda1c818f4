"""What the pool speaks with: its nodes, and the NATS cluster where there are several machines."""

import concurrent.futures
import contextlib
from collections.abc import Iterator

from kench.doctor.finding import Finding, bad, ok, warn
from kench.pool.errors import KenchError
from kench.pool.line_tls import TlsFilesError
from kench.pool.nats.cluster import (
    Cluster,
    ClusterAwayError,
    ClusterPlan,
    ClusterRefusedError,
)
from kench.pool.rpc import Node, NodeFaultError
from kench.pool.settings import Settings
from kench.pool.stream.layout import STREAM
from kench.pool.wire_settings import MAIN, unsaid_wires

NODE_S = 10.0
NODE_VERSION_MIN = 280_000
NATS_S = 5.0
FILLED_MAX = 0.7
"""A stream of journals that is fuller has an archive that does not take, or too few bytes."""
_GIB = 1 << 30


def check_nodes(urls: list[str], network: str | None) -> Iterator[Finding]:
    """Ask each node what the pool asks: network, tip, peers."""
    if not urls:
        yield bad("node", "no node is named, and none of `kench up` runs",
                  "the credential node_urls of stratum, settle and cabinet")  # fmt: skip
        return
    with concurrent.futures.ThreadPoolExecutor(len(urls)) as threads:
        for found in threads.map(lambda url: list(_check_node(url, network)), urls):
            yield from found
    if len(urls) == 1:
        yield warn("node", "there is one: while it is away nobody mines", "a second in node_urls")


def _check_node(url: str, network: str | None) -> Iterator[Finding]:
    try:
        node = Node(url)
        chain = node.call("getblockchaininfo", timeout_s=NODE_S)
        net = node.call("getnetworkinfo", timeout_s=NODE_S)
    except (NodeFaultError, KenchError) as fault:
        yield bad("node", str(fault), "start it, or correct node_urls")
        return
    name = f"node {node.name}"
    behind = chain["headers"] - chain["blocks"]
    if network is not None and chain["chain"] != network:
        yield bad(name, f"it is on {chain['chain']}, the pool is for {network}",
                  "`network`, or another in node_urls")  # fmt: skip
    elif chain["initialblockdownload"] or behind > 2:
        yield bad(name, f"it catches up: block {chain['blocks']} of {chain['headers']}",
                  "wait, or name another in node_urls")  # fmt: skip
    elif not net["connections"] and chain["chain"] != "regtest":
        yield bad(name, "it has no peers: a block that we find goes nowhere",
                  "its firewall; `addnode` in its bitcoin.conf")  # fmt: skip
    elif 0 < net.get("version", 0) < NODE_VERSION_MIN:
        yield warn(name, f"it is version {net['version']}", "Bitcoin Core 28 or later")
    else:
        yield ok(name, f"{chain['chain']}, block {chain['blocks']}, {net['connections']} peers")


def check_wires(settings: Settings) -> Iterator[Finding]:
    """Look where a wire leaves this machine without TLS; where `network` is main it is refused."""
    if settings.network not in {None, MAIN}:
        return
    found = list(unsaid_wires(settings))
    for wire in found:
        yield bad(f"wire of {wire.name}", f"`network` is unset, so it is not refused: {wire.words}",
                  "`network`; `plain_to` for your tunnel")  # fmt: skip
    if not found:
        yield ok("wires", "none leaves this machine without TLS but as plain_to says")


def check_nats(settings: Settings) -> Iterator[Finding]:
    """Connect as a process of the pool does, and look at what keeps messages there."""
    try:
        plan = ClusterPlan.of(settings, "kench doctor")
        if plan is None:
            return
        cluster = Cluster(plan).start()
    except TlsFilesError as fault:
        yield bad("nats", str(fault), "nats_certificate, nats_key and nats_authority")
        return
    with contextlib.closing(cluster):
        try:
            cluster.await_connected(NATS_S)
            info = cluster.ask(cluster.jetstream.account_info(), NATS_S)
        except (ClusterAwayError, KenchError) as fault:
            why = cluster.why_away or str(fault)
            yield bad("nats", f"it does not serve: {why}",
                      "nats_urls; `systemctl status nats-server` on each of them")  # fmt: skip
            return
        servers = len({server.netloc for server in cluster.client.servers})
        stream = list(_check_stream(cluster, settings.journal_stream_bytes))
    says = f"{servers} servers known, {info.streams} streams, {info.storage / 1024**2:.0f} MiB kept"
    if servers < plan.replicas:
        yield warn("nats", f"{says}; each message is to have {plan.replicas} copies",
                   "name all servers in nats_urls, start those that are down")  # fmt: skip
    else:
        yield ok("nats", says)
    yield from stream


def _check_stream(cluster: Cluster, bytes_wanted: int) -> Iterator[Finding]:
    """Compare the journals' stream with the setting; nothing where there is none, or no right.

    Servers set its bytes aside when they make it, so one that is there fits into their room.
    """
    try:
        found = cluster.ask(cluster.jetstream.stream_info(STREAM), NATS_S)
    except (ClusterAwayError, ClusterRefusedError):
        return
    bytes_max, filled = found.config.max_bytes or 0, found.state.bytes
    says = f"{filled / _GIB:.1f} of {bytes_max / _GIB:.1f} GiB are filled"
    if bytes_max != bytes_wanted:
        edit = f"`nats stream edit {STREAM} --max-bytes {bytes_wanted}`"
        yield warn("nats stream", f"{says}; by the setting it has {bytes_wanted / _GIB:.1f} GiB",
                   f"journal_stream_bytes, or {edit}; `max_file_store` above it")  # fmt: skip
    elif filled > FILLED_MAX * bytes_max:
        yield bad("nats stream", f"{says}: full, it takes no share",
                  "`kench gather status`: an archive that is away holds it")  # fmt: skip
    else:
        yield ok("nats stream", says)

"""What a batch of shares and a job cost on NATS: a publish until its ack, a job until it is read.

    python -m benchmarks.jetstream [--batches 1000] [--json FILE]

Servers of this machine: one with one replica, then a cluster of three with three. A batch is so
many records of the journal in one message with its id, one batch under way at a time, as a front
has it. A job is so many bytes, published to as many subscribers as there are fronts. CPU is of all
servers together, which share these cores. Exit status 1: a message is missing from the stream, or
an ack takes longer than it is held to.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StorageType, StreamConfig
from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from benchmarks.load.client import BUILD, LoadError
from benchmarks.load.process_memory import proportional_bytes
from benchmarks.load.server_cpu import process_cpu_s
from kench.native import RECORD_SIZE
from tests.support.nats import Servers, running_servers

SIZES = (1, 50, 1000)
FRONTS = (1, 4, 16)
JOB_BYTES = 8_192
HELD_ACK_MS = 50.0
STREAM, SUBJECT, JOBS = "bench", "bench.0", "jobs"
MESSAGE_ID = "Nats-Msg-Id"
READY_TRIES, READY_RETRY_S = 100, 0.1


@dataclass(frozen=True, slots=True)
class Ack:
    """What publishing batches of one size took."""

    replicas: int
    size: int
    p50_ms: float
    p99_ms: float
    server_cpu_us: float
    client_cpu_us: float
    stored_bytes: float
    """On each replica, for one message, with what JetStream adds."""
    server_bytes: int
    """Memory of the server that has most."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How long a job took from its publisher to the last of so many subscribers."""

    fronts: int
    p50_ms: float
    p99_ms: float


def _cpu_s(servers: Servers) -> float:
    return sum(map(process_cpu_s, servers.pids))


async def _make_stream(client: Client, replicas: int) -> JetStreamContext:
    """Make the stream, once the cluster has a leader. Raises LoadError."""
    js = client.jetstream(timeout=10)
    config = StreamConfig(
        name=STREAM,
        subjects=[f"{STREAM}.*"],
        num_replicas=replicas,
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
    )
    for _ in range(READY_TRIES):
        try:
            await js.add_stream(config)
        except nats.errors.Error as fault:
            why = fault
            await asyncio.sleep(READY_RETRY_S)
        else:
            return js
    raise LoadError(f"the stream could not be made: {why!r}")


async def acks(servers: Servers, batches: int) -> list[Ack]:
    """Publish batches of each size, one after the other. Raises LoadError."""
    client, found = await nats.connect(servers.urls[0]), []
    js = await _make_stream(client, len(servers.urls))
    number = 0
    for size in SIZES:
        count = max(10, batches // (5 if size == SIZES[-1] else 1))
        before = (await js.stream_info(STREAM)).state
        cpu_s, own_s, took = _cpu_s(servers), time.process_time(), []
        payload = os.urandom(size * RECORD_SIZE)
        for _ in range(count):
            number += 1
            began = time.perf_counter()
            await js.publish(SUBJECT, payload, headers={MESSAGE_ID: str(number)})
            took.append(time.perf_counter() - began)
        own_s, cpu_s = time.process_time() - own_s, _cpu_s(servers) - cpu_s
        after = (await js.stream_info(STREAM)).state
        if after.messages - before.messages != count:
            raise LoadError(f"{count} batches were acknowledged, {after.messages} are there")
        took.sort()
        found.append(
            Ack(
                len(servers.urls), size, 1000 * statistics.median(took),
                1000 * took[int(count * 0.99)], 1e6 * cpu_s / count, 1e6 * own_s / count,
                (after.bytes - before.bytes) / count,
                max(map(proportional_bytes, servers.pids)),
            )
        )  # fmt: skip
    await client.close()
    return found


async def deliveries(servers: Servers, rounds: int) -> list[Delivery]:
    """Publish jobs to subscribers spread over the servers."""
    maker, found, job = await nats.connect(servers.urls[0]), [], os.urandom(JOB_BYTES)
    for fronts in FRONTS:
        clients = [await nats.connect(servers.urls[at % len(servers.urls)]) for at in range(fronts)]
        subscribed = [await client.subscribe(JOBS) for client in clients]
        for client in clients:
            await client.flush()
        await asyncio.sleep(READY_RETRY_S * 3)  # the servers tell each other who listens
        took = []
        for _ in range(rounds):
            began = time.perf_counter()
            await maker.publish(JOBS, job)
            for one in subscribed:
                await one.next_msg(timeout=10)
            took.append(time.perf_counter() - began)
        took.sort()
        found.append(
            Delivery(fronts, 1000 * statistics.median(took), 1000 * took[int(rounds * 0.99)])
        )
        for client in clients:
            await client.close()
    await maker.close()
    return found


def measure(folder: Path, batches: int) -> tuple[list[Ack], list[Delivery]]:
    """Measure all. Raises LoadError."""
    found: list[Ack] = []
    delivered: list[Delivery] = []
    for count in (1, 3):
        with running_servers(folder / str(count), count) as servers:
            found += asyncio.run(acks(servers, batches))
            if count > 1:
                delivered = asyncio.run(deliveries(servers, max(10, batches // 5)))
    return found, delivered


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, and say what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.jetstream",
        description="Measure a batch's way into JetStream and a job's way through NATS.",
        epilog="example: python -m benchmarks.jetstream --batches 2000",
    )
    parser.add_argument("--batches", type=int, default=1000, help="of each size (1000)")
    parser.add_argument("--folder", type=Path, default=BUILD, help="a disk (build/benchmarks)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="nats-", dir=given.folder) as name:
            found, delivered = measure(Path(name).absolute(), given.batches)
    except LoadError as fault:
        sys.stderr.write(f"jetstream: {fault}\n")
        return 1
    console = Console(width=110)
    console.print(table(found))
    for one in delivered:
        console.print(
            f"a job to the last of {one.fronts} fronts: {one.p50_ms:.2f} ms, p99 {one.p99_ms:.2f}"
        )
    faults = [
        f"{one.replicas} replicas: an ack in {one.p50_ms:.0f} ms, not {HELD_ACK_MS:.0f}"
        for one in found
        if one.p50_ms > HELD_ACK_MS
    ]
    figures = {
        "acks": [asdict(one) for one in found],
        "deliveries": [asdict(one) for one in delivered],
        "faults": faults,
    }
    return end(console, faults, figures, given.json)


def table(found: list[Ack]) -> Table:
    """Lay it out for people."""
    shown = Table(title="a batch, from publish to ack")
    names = ("replicas", "shares", "p50 ms", "p99 ms", "servers' CPU µs", "client's")
    for name in (*names, "stored bytes"):
        shown.add_column(name, justify="right")
    for one in found:
        shown.add_row(
            str(one.replicas), str(one.size),
            f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}", f"{one.server_cpu_us:.0f}",
            f"{one.client_cpu_us:.0f}", f"{one.stored_bytes:,.0f}",
        )  # fmt: skip
    return shown


if __name__ == "__main__":
    sys.exit(main())

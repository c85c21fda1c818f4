"""One server for these tests, and a stream that is new for each."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kench.backup.gathering.consuming import name_of
from kench.backup.gathering.gatherer import Gatherer
from kench.pool.clock import Clock, SystemClock
from kench.pool.nats.cluster import Cluster
from tests.support.nats import Servers
from tests.support.stream_pool import STREAM_BYTES, StreamFront, no_stream

Start = Callable[..., StreamFront]
Keep = Callable[..., Gatherer]


@pytest.fixture
def cluster(line: Cluster) -> Cluster:
    no_stream(line)
    return line


@pytest.fixture
def start(servers: Servers, cluster: Cluster, tmp_path: Path) -> Iterator[Start]:
    running: list[StreamFront] = []

    def run(number: int = 0, folder: str = "front", **more: object) -> StreamFront:
        directory = tmp_path / folder / "journal" / str(number)
        front = StreamFront(directory, servers.plan("front"), **more)  # type: ignore[arg-type]
        running.append(front)
        return front

    yield run
    for front in running:
        front.stop()


@pytest.fixture
def begun(start: Start) -> Start:
    """Start a front, and have the stream follow it; of some `records` with a job, if wanted."""

    def run(
        number: int = 0, folder: str = "front", *, records: int = 0, **more: object
    ) -> StreamFront:
        front = start(number, folder, **more)
        front.await_together()
        if records:
            front.write(records, 1)
        return front

    return run


@pytest.fixture
def keep(cluster: Cluster, tmp_path: Path) -> Iterator[Keep]:
    running: list[Gatherer] = []

    def make(folder: str = "centre", clock: Clock | None = None) -> Gatherer:
        data = tmp_path / folder
        data.mkdir(exist_ok=True)
        clock = clock or SystemClock()
        gatherer = Gatherer(data, cluster, name_of(data), clock, STREAM_BYTES)
        running.append(gatherer)
        return gatherer

    yield make
    for one in running:
        one.close()

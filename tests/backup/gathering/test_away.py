"""The cluster is away, answers late, is full or loses a server: each share arrives once."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from kench.backup.gathering.consuming import name_of
from kench.backup.gathering.gatherer import Gatherer
from kench.native import RECORD_SIZE
from kench.pool.clock import SystemClock
from kench.pool.journal import JournalReader
from kench.pool.journal.mark import read_mark
from kench.pool.nats.cluster import Cluster, ClusterAwayError, ClusterPlan
from kench.pool.stream import sending
from kench.pool.stream.layout import STREAM, publish
from kench.pool.stream.publisher import WhenAway
from tests.backup.gathering.conftest import Keep, Start
from tests.support.nats import Servers, connected, running_servers
from tests.support.stream_pool import (
    STREAM_BYTES,
    StreamFront,
    files_of,
    gather_until,
    gathered_as,
)
from tests.support.waiting import await_that


def state_of(front: StreamFront) -> dict[str, object]:
    assert front.publisher is not None
    return front.publisher.state()


def assert_all_is_there(front: StreamFront, gatherer: Gatherer, there: Path) -> None:
    gather_until(gatherer, gathered_as(front.directory, there))
    assert files_of(there) == files_of(front.directory)
    records = JournalReader(there).read_span(0, front.next_sequence)
    assert len(records) == front.next_sequence


def test_served_on_alone_all_arrives_once_when_the_cluster_is_back(
    begun: Start, keep: Keep, servers: Servers, tmp_path: Path
) -> None:
    front = begun(wait_s=0.3, segment_bytes=64 + 10 * RECORD_SIZE, records=5)
    servers.servers[0].kill()
    for key in range(2, 6):
        front.write(8, key)
    state = state_of(front)
    assert (state["together"], state["away"], state["behind"]) == (False, True, 32)
    assert state["acknowledged_without"] == 32
    assert not front.troubles
    servers.servers[0].start()
    front.await_together()
    front.write(3)
    assert state_of(front)["behind"] == 0
    assert_all_is_there(front, keep(), tmp_path / "centre/journal/0")


def test_where_it_is_to_stop_nothing_is_acknowledged_without_the_cluster(
    begun: Start, keep: Keep, servers: Servers, tmp_path: Path
) -> None:
    front = begun(wait_s=0.3, when_away=WhenAway.STOP, records=5)
    servers.servers[0].kill()
    front.hand_over(4, 2)
    await_that(lambda: len(front.troubles) == 1)
    assert not front.durable.acquire(timeout=0.2)
    # Readers here are not ahead of the stream either.
    assert read_mark(front.directory).records == 5
    servers.servers[0].start()
    assert front.durable.acquire(timeout=10)
    assert front.troubles[1] is None
    assert_all_is_there(front, keep(), tmp_path / "centre/journal/0")


@pytest.mark.parametrize("is_done", [True, False], ids=["done", "not done"])
def test_a_publish_whose_answer_is_lost_is_there_once(
    begun: Start, keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_done: bool
) -> None:
    front = begun()
    lost: list[int] = []

    async def answer_lost(
        cluster: Cluster, number: int, message: bytes, name: str, after: int
    ) -> int | None:
        if number == front.number and not lost:
            lost.append(after)
            if is_done:
                await publish(cluster, number, message, name, after)
            raise ClusterAwayError("the answer was lost")
        return await publish(cluster, number, message, name, after)

    monkeypatch.setattr(sending, "publish", answer_lost)
    front.write(5, 1)
    front.await_together()
    front.write(5, 2)
    assert lost
    assert_all_is_there(front, keep(), tmp_path / "centre/journal/0")


def test_a_late_message_that_comes_after_all_is_not_taken_twice(
    begun: Start, keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = begun()
    waiting: list[tuple[Cluster, int, bytes, str, int]] = []

    async def late(
        cluster: Cluster, number: int, message: bytes, name: str, after: int
    ) -> int | None:
        if not waiting:
            waiting.append((cluster, number, message, name, after))
            raise ClusterAwayError("it is on its way")
        return await publish(cluster, number, message, name, after)

    monkeypatch.setattr(sending, "publish", late)
    front.write(5, 1)
    front.await_together()
    front.write(5, 2)
    cluster, number, message, name, after = waiting[0]
    # Its place was taken, or it is known by its name: the same to whoever reads.
    cluster.ask(publish(cluster, number, message, name + "-late", after), 2.0)
    front.write(5)
    assert_all_is_there(front, keep(), tmp_path / "centre/journal/0")


def test_a_full_stream_is_as_if_the_cluster_were_away_until_it_is_gathered(
    begun: Start, keep: Keep, cluster: Cluster, tmp_path: Path
) -> None:
    front = begun(wait_s=0.5, bytes_max=1 << 20)
    while state_of(front)["together"]:
        front.write(2000, front.next_sequence + 1)
    assert "maximum bytes" in str(state_of(front)["why"])
    front.write(2000)
    gatherer, there = keep(), tmp_path / "centre/journal/0"
    for _ in range(20):
        while gatherer.turn():
            continue
        gatherer.purge()
        if state_of(front)["together"]:
            break
    front.await_together()
    front.write(3)
    assert_all_is_there(front, gatherer, there)
    gatherer.purge()
    # The last message of each journal stays: it says where the journal goes on.
    info = cluster.ask(cluster.jetstream.stream_info(STREAM), 5.0)
    assert 1 <= info.state.messages <= 3


def test_what_is_taken_away_of_one_journal_takes_nothing_of_others_from_any_archive(
    start: Start, keep: Keep, tmp_path: Path
) -> None:
    fronts = [start(number) for number in range(2)]
    gatherers = [keep(name) for name in ("centre", "elsewhere")]
    for front in fronts:
        front.write(1, front.next_sequence + 1)
    for gatherer in gatherers:
        while gatherer.turn():
            continue
    for front in (*reversed(fronts), *fronts):
        front.write(1)
        gatherers[0].purge()
    for gatherer, name in zip(gatherers, ("centre", "elsewhere"), strict=True):
        for front in fronts:
            assert_all_is_there(front, gatherer, tmp_path / name / "journal" / str(front.number))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running_servers(tmp_path_factory.mktemp("three"), 3) as running:
        yield running


def leader_of(cluster: Cluster) -> str:
    """Return which server leads the stream; "" while nobody is known to."""
    with contextlib.suppress(ClusterAwayError):
        info = cluster.ask(cluster.jetstream.stream_info(STREAM), 5.0)
        assert info.cluster is not None
        return info.cluster.leader or ""
    return ""


def test_with_one_server_of_three_gone_and_another_leading_all_is_acknowledged(
    three: Servers, tmp_path: Path
) -> None:
    plan = ClusterPlan(three.urls, "front", replicas=3)
    centre = tmp_path / "centre"
    centre.mkdir()
    front = StreamFront(tmp_path / "front/journal/0", plan, wait_s=5.0, when_away=WhenAway.STOP)
    try:
        front.await_together()
        front.write(5, 1)
        with connected(plan) as cluster:
            gatherer = Gatherer(centre, cluster, name_of(centre), SystemClock(), STREAM_BYTES)
            await_that(lambda: leader_of(cluster))
            first = leader_of(cluster)
            step_down = cluster.client.request(f"$JS.API.STREAM.LEADER.STEPDOWN.{STREAM}", b"")
            cluster.ask(step_down, 5.0)
            front.write(5, 2)
            await_that(lambda: leader_of(cluster) not in {"", first})
            led = three.servers[int(leader_of(cluster)[1:])]
            led.kill()
            front.write(5, 3)
            front.await_together()
            led.start()
            front.write(5)
            gather_until(gatherer, gathered_as(front.directory, centre / "journal/0"))
            gatherer.close()
        assert files_of(centre / "journal/0") == files_of(front.directory)
    finally:
        front.stop()

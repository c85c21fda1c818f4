"""One holder at a time, whatever the cluster, the processes and the network do."""

import threading
from pathlib import Path

import pytest

from kench.pool.clock import ManualClock
from kench.pool.nats.cluster import Cluster, ClusterAwayError
from kench.pool.nats.lease import Lease
from tests.support.nats import connected, running_servers

TTL_S = 2.0


@pytest.fixture(scope="module")
def cluster(line: Cluster) -> Cluster:
    return line


def _two(cluster: Cluster, name: str, clock: ManualClock) -> tuple[Lease, Lease]:
    return (
        Lease(cluster, name, "one", TTL_S, clock),
        Lease(cluster, name, "other", TTL_S, clock),
    )


def test_the_first_takes_it_and_keeps_it_by_renewing(cluster: Cluster) -> None:
    clock = ManualClock()
    one, other = _two(cluster, "kept", clock)
    assert one.turn()
    assert not other.turn()
    for _ in range(5):
        clock.advance(TTL_S * 0.9)
        assert one.turn()
        assert not other.turn()
    assert other.seen is not None
    assert other.seen.holder == "one"


def test_a_holder_that_does_not_renew_does_not_hold_it_before_another_takes_it(
    cluster: Cluster,
) -> None:
    clock = ManualClock()
    one, other = _two(cluster, "silent", clock)
    one.turn()
    other.turn()
    clock.advance(TTL_S)
    assert not one.is_held
    assert other.turn()
    assert other.epoch > one.epoch
    assert not one.turn()


def test_who_looks_for_the_first_time_waits_a_whole_ttl(cluster: Cluster) -> None:
    clock = ManualClock()
    one, other = _two(cluster, "first-look", clock)
    one.turn()
    clock.advance(TTL_S * 10)
    assert not other.turn()
    clock.advance(TTL_S)
    assert other.turn()


def test_what_is_let_go_is_taken_at_once_with_a_higher_epoch(cluster: Cluster) -> None:
    clock = ManualClock()
    one, other = _two(cluster, "let-go", clock)
    one.turn()
    one.release()
    assert not one.is_held
    assert other.turn()
    assert other.epoch > one.epoch


def test_of_two_that_see_it_free_one_gets_it(cluster: Cluster) -> None:
    clock = ManualClock()
    leases = [Lease(cluster, "race", str(number), TTL_S, clock) for number in range(8)]
    threads = [threading.Thread(target=lease.turn) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(lease.is_held for lease in leases) == 1


def test_a_renewal_whose_answer_was_lost_does_not_cost_the_lease(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    lease = Lease(cluster, "lost-answer", "one", TTL_S, clock)
    lease.turn()
    ask = cluster.ask

    def done_but_unheard(asked: object, wait_s: float) -> object:
        ask(asked, wait_s)  # type: ignore[arg-type] # whatever is asked
        raise ClusterAwayError("lost")

    monkeypatch.setattr(cluster, "ask", done_but_unheard)
    with pytest.raises(ClusterAwayError):
        lease.turn()
    monkeypatch.undo()
    epoch = lease.epoch
    assert lease.turn()
    assert lease.epoch == epoch


def test_a_holder_without_the_cluster_stops_holding_it(tmp_path: Path) -> None:
    clock = ManualClock()
    with running_servers(tmp_path) as own, connected(own.plan()) as line:
        lease = Lease(line, "away", "one", TTL_S, clock)
        assert lease.turn()
        own.servers[0].kill()
        with pytest.raises(ClusterAwayError):
            lease.turn()
        assert lease.is_held
        clock.advance(TTL_S)
        assert not lease.is_held


def test_running_it_tells_when_it_is_taken_and_lets_it_go_at_the_end(cluster: Cluster) -> None:
    stop, heard = threading.Event(), []

    def hear(is_held: bool) -> None:
        heard.append(is_held)
        stop.set()

    clock = ManualClock()
    Lease(cluster, "run", "one", 0.2, clock).run(stop, hear)
    assert heard == [True, False]
    assert Lease(cluster, "run", "other", TTL_S, clock).turn()

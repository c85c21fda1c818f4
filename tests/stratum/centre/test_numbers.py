"""Front numbers: no two live machines have one in common, whatever is cut off or copied."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.clock import ManualClock
from kench.pool.nats.cluster import Cluster, ClusterAwayError, ClusterPlan
from kench.stratum.centre import keeping as keeping_module
from kench.stratum.centre import numbers as numbers_module
from kench.stratum.centre.keeping import SILENT_S, Keeping
from kench.stratum.centre.machine import Machine, MachineFileError
from kench.stratum.centre.numbers import (
    CopiedFolderError,
    Entry,
    NumbersTakenError,
    Owner,
    choose,
    read_owner,
)

LEASE_S = 4000.0
NOW_US = ManualClock().now_us()
ME = Owner("me", "run", "here", "host", NOW_US)


@pytest.fixture
def cluster(line: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The line, and a bucket that this test alone uses."""
    monkeypatch.setattr(numbers_module, "LOOK_S", 0.05)
    yield line
    line.ask(line.jetstream.delete_key_value(numbers_module.BUCKET), 5)


class Site:
    """A data folder, and runs in it."""

    def __init__(self, cluster: Cluster, folder: Path, clock: ManualClock) -> None:
        folder.mkdir(exist_ok=True)
        self._cluster, self.folder, self._clock = cluster, folder, clock

    def run(self) -> Keeping:
        machine = Machine(self.folder)
        return Keeping(self._cluster, self.folder, machine, LEASE_S, self._clock)

    def copy(self, folder: Path) -> "Site":
        folder.mkdir()
        (folder / "machine.json").write_bytes((self.folder / "machine.json").read_bytes())
        return Site(self._cluster, folder, self._clock)


def renew(keeping: Keeping, clock: ManualClock) -> None:
    keeping.cluster.ask(keeping._numbers.renew(clock.now_us()), 5)


def test_machines_get_numbers_of_their_own_and_keep_them_over_restarts(
    cluster: Cluster, tmp_path: Path
) -> None:
    clock = ManualClock()
    one, other = (Site(cluster, tmp_path / name, clock) for name in ("one", "other"))
    assert one.run().hold(4, 0, ()) == range(4)
    assert other.run().hold(2, 0, ()) == range(4, 6)
    # Killed and started again in its place: at once, and after an orderly end anywhere.
    clock.advance(1)
    again = one.run()
    assert again.hold(4, 0, ()) == range(4)
    again.release()
    moved = one.copy(tmp_path / "moved")
    assert moved.run().hold(4, 0, ()) == range(4)


def test_a_copy_of_a_folder_that_is_in_use_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    clock = ManualClock()
    original = Site(cluster, tmp_path / "one", clock)
    alive = original.run()
    assert alive.hold(2, 0, ()) == range(2)
    clock.advance(SILENT_S / 2)
    copy = original.copy(tmp_path / "copy").run()
    # It renews while the copy listens.
    is_heard = threading.Event()
    renewing = cluster.submit(_renew_until(is_heard, alive, clock), SILENT_S)
    with pytest.raises(CopiedFolderError, match="copied"):
        copy.hold(2, 0, ())
    is_heard.set()
    renewing.result(SILENT_S)
    renew(alive, clock)


async def _renew_until(is_heard: threading.Event, keeping: Keeping, clock: ManualClock) -> None:
    while not is_heard.is_set():
        await asyncio.sleep(0.02)
        await keeping._numbers.renew(clock.now_us())


def test_a_copy_of_a_machine_that_is_cut_off_gets_others_and_the_first_one_stops(
    cluster: Cluster, tmp_path: Path
) -> None:
    clock = ManualClock()
    original = Site(cluster, tmp_path / "one", clock)
    cut_off = original.run()
    assert cut_off.hold(2, 0, ()) == range(2)
    clock.advance(SILENT_S + 1)
    copy = original.copy(tmp_path / "copy").run()
    assert copy.hold(2, 0, ()) == range(2, 4)
    with pytest.raises(CopiedFolderError, match=r"machine\.json"):
        renew(cut_off, clock)
    # After the lease its numbers are this machine's again, and nobody else's as long as others are.
    clock.advance(LEASE_S + 1)
    assert Site(cluster, tmp_path / "new", clock).run().hold(2, 0, ()) == range(4, 6)


def test_two_that_start_at_one_moment_do_not_get_the_same(cluster: Cluster, tmp_path: Path) -> None:
    clock = ManualClock()
    sites = [Site(cluster, tmp_path / str(number), clock) for number in range(3)]
    runs = [site.run() for site in sites]
    asked = [
        cluster.submit(run._numbers.take(4, 0, (), clock.now_us()), 10) for run in runs
    ]  # fmt: skip
    taken = [number for one in asked for number in one.result(10)]
    assert len(set(taken)) == 12


def test_without_the_cluster_the_numbers_of_the_last_run_serve_for_half_a_lease_in_their_place(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping_module, "PATIENCE_S", 0.0)
    clock = ManualClock()
    site = Site(cluster, tmp_path / "one", clock)
    assert site.run().hold(2, 7, ()) == range(7, 9)
    nowhere = Cluster(ClusterPlan(("nats://127.0.0.1:9",), "tests")).start()
    away = Site(nowhere, tmp_path / "one", clock)
    monkeypatch.setattr(keeping_module, "ASK_S", 0.1)
    monkeypatch.setattr(keeping_module, "SILENT_S", 0.1)
    try:
        late = away.run()
        assert late.hold(2, 7, ()) == range(7, 9)
        for broken in (away.copy(tmp_path / "copy"), Site(nowhere, tmp_path / "new", clock)):
            with pytest.raises(ClusterAwayError, match="KENCH_NATS_URLS"):
                broken.run().hold(2, 7, ())
        clock.advance(LEASE_S / 2)
        with pytest.raises(ClusterAwayError):
            away.run().hold(2, 7, ())
    finally:
        nowhere.close()
    # When it is back they are taken as before.
    late.cluster = cluster
    late._numbers._cluster = cluster
    monkeypatch.setattr(keeping_module, "ASK_S", 5.0)
    late._take()
    assert late.state()["numbers"] == "7-8"


def test_a_machine_that_cannot_renew_for_half_a_lease_stops(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping_module, "RENEW_S", 0.02)
    clock = ManualClock()
    keeping = Site(cluster, tmp_path / "one", clock).run()
    keeping.hold(2, 0, ())
    lost: list[Exception] = []
    monkeypatch.setattr(keeping, "cluster", _Closed())
    clock.advance(LEASE_S / 2 + 1)
    keeping.start_renewing(lost.append)
    keeping._thread.join(10)
    assert "KENCH_NUMBER_LEASE_S" in str(lost[0])


class _Closed:
    """A line that answers nothing."""

    def ask(self, asked: object, wait_s: float) -> None:
        asked.close()  # type: ignore[attr-defined] # a coroutine
        raise ClusterAwayError(f"not in {wait_s} s")


OWNERS = st.builds(
    Owner,
    machine=st.sampled_from(["me", "other", "third"]),
    run=st.sampled_from(["run", "before"]),
    place=st.sampled_from(["here", "there"]),
    host=st.just(""),
    renewed_us=st.sampled_from([NOW_US, NOW_US - round(LEASE_S * 2e6)]),
    ended=st.booleans(),
)


@given(
    book=st.dictionaries(st.integers(0, 12), OWNERS, max_size=13),
    count=st.integers(1, 4),
    wish=st.integers(0, 4095),
)
def test_what_is_chosen_is_nobody_s_who_may_live(
    book: dict[int, Owner], count: int, wish: int
) -> None:
    entries = {number: Entry(owner, 1) for number, owner in book.items()}
    chosen = choose(entries, ME, count, wish, LEASE_S)
    assert len(chosen) == count
    assert chosen.start >= 0
    assert chosen.stop <= 4096
    for number in chosen:
        owner = book.get(number)
        if owner is None or owner.ended or owner.renewed_us < NOW_US:
            continue
        # It lives as far as anybody knows: then it was ours, and its run is surely over.
        assert owner.machine == "me"
        assert owner.run == "run" or owner.place == "here"
    strangers = [n for n in chosen if n in book and book[n].machine != "me"]
    assert not strangers, "4,096 are enough that nobody's journal is gone on with"


def test_where_all_are_somebody_s_those_of_the_dead_are_given_and_then_none() -> None:
    owner = replace(ME, machine="other", renewed_us=NOW_US - round(LEASE_S * 2e6))
    book = {number: Entry(owner, 1) for number in range(4096)}
    assert choose(book, ME, 3, 10, LEASE_S) == range(10, 13)
    living = {number: Entry(replace(owner, renewed_us=NOW_US), 1) for number in book}
    with pytest.raises(NumbersTakenError, match="KENCH_NUMBER_LEASE_S"):
        choose(living, ME, 3, 10, LEASE_S)


@given(st.binary(max_size=60))
def test_an_entry_that_cannot_be_read_is_somebody_s_for_ever(junk: bytes) -> None:
    owner = read_owner(junk)
    assert owner.is_live(NOW_US * 1000, 1.0)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"id": "x"}', '{"id": 1, "numbers": 3}'])
def test_a_file_that_names_no_machine_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "machine.json").write_text(content)
    with pytest.raises(MachineFileError, match="remove it"):
        Machine(tmp_path)

"""A front's journal and its copy: the same bytes, whatever ends between, and who waits for whom."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kench.backup.standby.receiving import Receiver
from kench.native import RECORD_SIZE
from kench.pool.clock import SystemClock
from kench.pool.journal import Batch, JournalReader, JournalWriter
from kench.pool.journal.mark import read_mark
from kench.pool.journal.segment import OpenSegment
from kench.pool.shipping import Policy, ReplacedError, Shipper
from kench.pool.shipping.generation import refuse_if_replaced, write_generation
from kench.pool.shipping.left_behind import LeftBehind
from kench.pool.shipping.shipper import Mode, WhenAway
from tests.support.records import archived_job, raw_records
from tests.support.waiting import await_that

WAIT_S = 10.0


class Machine:
    """A main machine with one front's journal, shipped to `address`."""

    def __init__(
        self,
        data: Path,
        address: str,
        mode: Mode = Mode.SYNC,
        when_away: WhenAway = WhenAway.STOP,
        segment_bytes: int = 1 << 30,
    ) -> None:
        self.data = data
        self.is_stopped = False
        self.directory = data / "journal/0"
        self.replaced: list[ReplacedError] = []
        policy = Policy(address, mode, when_away, 2.0)
        clock = SystemClock()
        self.shipper = Shipper(data, 0, policy, 1, clock, self.replaced.append)
        self.writer = JournalWriter(self.directory, 0, clock, segment_bytes, 3600, self.shipper)
        self.next_sequence = self.writer.next_sequence
        self.durable = threading.Semaphore(0)
        self.troubles: list[OSError | None] = []
        self.shipper.start(self.writer.reached)
        self.writer.start(lambda _batch: self.durable.release(), self.troubles.append, pytest.fail)

    def hand_over(self, count: int, *keys: int) -> None:
        records = raw_records(self.next_sequence, count)
        self.next_sequence += count
        jobs = [archived_job(key) for key in keys]
        self.writer.hand_over(Batch(jobs, records, count, self.next_sequence))

    def write(self, count: int, *keys: int) -> None:
        self.hand_over(count, *keys)
        assert self.durable.acquire(timeout=WAIT_S)

    def await_together(self) -> None:
        await_that(lambda: bool(self.shipper.state()["together"]))

    def stop(self) -> None:
        if not self.is_stopped:
            self.is_stopped = True
            self.writer.stop()
            self.shipper.stop()


Start = Callable[..., Machine]


@pytest.fixture
def standby(tmp_path: Path) -> Iterator[Receiver]:
    receiver = receiver_of(tmp_path / "there")
    yield receiver
    receiver.stop()


def receiver_of(data: Path, port: int = 0) -> Receiver:
    data.mkdir(exist_ok=True)
    receiver = Receiver(data, f"127.0.0.1:{port}", None, SystemClock())
    receiver.start()
    return receiver


@pytest.fixture
def start(tmp_path: Path, standby: Receiver) -> Iterator[Start]:
    running: list[Machine] = []

    def run(**more: object) -> Machine:
        address = f"127.0.0.1:{standby.address[1]}"
        machine = Machine(tmp_path / "here", address, **more)  # type: ignore[arg-type]
        running.append(machine)
        return machine

    yield run
    for machine in running:
        machine.stop()


def files(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (data / "journal/0").iterdir()
            if path.suffix in {".shares", ".jobs", ".digest"}}  # fmt: skip


def test_what_is_acknowledged_is_on_both_machines(start: Start, tmp_path: Path) -> None:
    machine = start()
    machine.await_together()
    for key in range(5):
        machine.write(7, key + 1)
        # At once, not soon: the answer left after this.
        assert read_mark(tmp_path / "there/journal/0").records == machine.next_sequence
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert len(JournalReader(tmp_path / "there/journal/0").read(0, 100)) == 35


def test_segments_and_their_digests_are_the_same_there(start: Start, tmp_path: Path) -> None:
    machine = start(segment_bytes=64 + 10 * RECORD_SIZE)
    machine.await_together()
    for key in range(6):
        machine.write(8, key + 1)
    here = files(tmp_path / "here")
    assert sum(name.endswith(".digest") for name in here) >= 2
    assert files(tmp_path / "there") == here


def test_a_journal_of_many_segments_is_caught_up_with(start: Start, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "here", "127.0.0.1:1", when_away=WhenAway.SERVE,
                      segment_bytes=64 + 10 * RECORD_SIZE)  # fmt: skip
    for key in range(6):
        machine.write(8, key + 1)
    assert machine.shipper.state()["acknowledged_without"] == 48
    machine.stop()
    start().await_together()
    assert files(tmp_path / "there") == files(tmp_path / "here")


def test_without_the_standby_nothing_is_acknowledged_where_that_is_wanted(
    start: Start, standby: Receiver, tmp_path: Path
) -> None:
    machine = start()
    machine.await_together()
    machine.write(3, 1)
    standby.stop()
    machine.hand_over(4)
    await_that(lambda: len(machine.troubles) == 1)
    assert not machine.durable.acquire(timeout=0.2)
    # Readers, settlement above all, are not ahead of the standby either.
    assert read_mark(tmp_path / "here/journal/0").records == 3
    again = receiver_of(tmp_path / "there", standby.address[1])
    assert machine.durable.acquire(timeout=WAIT_S)
    assert machine.troubles[1] is None
    assert files(tmp_path / "there") == files(tmp_path / "here")
    machine.stop()
    again.stop()


def test_without_the_standby_it_serves_on_where_that_is_wanted(
    start: Start, standby: Receiver, tmp_path: Path
) -> None:
    machine = start(when_away=WhenAway.SERVE)
    machine.await_together()
    standby.stop()
    machine.write(4, 1)
    machine.write(4)
    state = machine.shipper.state()
    assert (state["together"], state["acknowledged_without"]) == (False, 8)
    assert not machine.troubles


def test_asynchronously_it_is_there_soon(start: Start, tmp_path: Path) -> None:
    machine = start(mode=Mode.ASYNC, segment_bytes=64 + 10 * RECORD_SIZE)
    for key in range(6):
        machine.write(8, key + 1)
    await_that(lambda: read_mark(tmp_path / "there/journal/0").records == 48)
    assert files(tmp_path / "there") == files(tmp_path / "here")


def test_what_only_the_standby_has_was_never_acknowledged_and_is_put_aside(
    start: Start, tmp_path: Path
) -> None:
    machine = start()
    machine.await_together()
    machine.write(5, 1)
    machine.stop()
    # The main machine lost its power before its own disk had the last batch.
    there = next((tmp_path / "there/journal/0").glob("*.shares"))
    segment = OpenSegment.reopen(there)
    segment.append(b"", raw_records(5, 2))
    segment.close()
    again = start()
    again.await_together()
    again.write(3)
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert there.with_name(there.name + ".torn").stat().st_size == 2 * RECORD_SIZE


def test_a_main_machine_that_lost_shares_does_not_take_them_from_the_standby(
    start: Start, tmp_path: Path
) -> None:
    machine = start()
    machine.await_together()
    machine.write(5, 1)
    machine.write(5)
    machine.stop()
    here = next((tmp_path / "here/journal/0").glob("*.shares"))
    with here.open("r+b") as file:
        file.truncate(64 + 3 * RECORD_SIZE)
    again = start()
    await_that(lambda: "were on its disk" in str(again.shipper.state()["why"]))
    assert read_mark(tmp_path / "there/journal/0").records == 10


def test_a_main_machine_that_was_replaced_hears_of_it_and_serves_no_more(
    start: Start, tmp_path: Path
) -> None:
    machine = start(when_away=WhenAway.SERVE)
    machine.await_together()
    machine.write(5, 1)
    write_generation(tmp_path / "there", 2)
    machine.hand_over(2)
    await_that(lambda: bool(machine.replaced))
    # Nobody was told of those two, though serving was wanted without a standby.
    assert not machine.durable.acquire(timeout=0.1)
    with pytest.raises(ReplacedError, match="generation 2"):
        refuse_if_replaced(tmp_path / "here")


def test_a_journal_that_nobody_writes_any_more_is_shipped_once(
    start: Start, standby: Receiver, tmp_path: Path
) -> None:
    machine = Machine(tmp_path / "here", "127.0.0.1:1", when_away=WhenAway.SERVE,
                      segment_bytes=64 + 10 * RECORD_SIZE)  # fmt: skip
    policy = Policy(f"127.0.0.1:{standby.address[1]}", Mode.SYNC, WhenAway.STOP, 2.0)
    left = LeftBehind(tmp_path / "here", policy, 1, SystemClock())
    for key in range(3):
        machine.write(8, key + 1)
    left.look()
    assert not (tmp_path / "there/journal").exists()
    machine.stop()
    left.look()
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert read_mark(tmp_path / "there/journal/0").records == 24


def test_what_a_front_wrote_before_it_stopped_is_shipped_asynchronously_too(
    start: Start, tmp_path: Path
) -> None:
    machine = start(mode=Mode.ASYNC)
    machine.write(8, 1)
    await_that(lambda: read_mark(tmp_path / "there/journal/0").records == 8)
    machine.write(4)
    machine.stop()
    assert read_mark(tmp_path / "there/journal/0").records == 12

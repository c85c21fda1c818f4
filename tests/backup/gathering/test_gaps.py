"""What the stream lost is asked of the front that wrote it, and is published again."""

from pathlib import Path

import pytest

from kench.backup.gathering.declaring import declare_lost
from kench.native import RECORD_SIZE
from kench.pool.clock import SystemClock
from kench.pool.journal.remote import RemoteState, read_remote
from kench.pool.nats.cluster import Cluster
from kench.pool.settings import Settings
from kench.pool.stream import lacks
from kench.pool.stream.layout import STREAM, read_last
from kench.pool.stream.left_behind import LeftBehind
from kench.pool.stream.message import Word
from kench.pool.stream.told import Told, write_told
from tests.backup.gathering.conftest import Keep, Start
from tests.support.stream_pool import STREAM_BYTES, files_of, gather_until, gathered_as

WAIT_S = 5.0
SMALL = 64 + 10 * RECORD_SIZE


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is lost is known to be after a moment, and nobody waits to tell it."""
    monkeypatch.setattr("kench.backup.gathering.gaps.LACK_S", 0.2)
    monkeypatch.setattr("kench.backup.gathering.gatherer.TEND_S", 0.1)
    monkeypatch.setattr("kench.backup.gathering.consuming.REDELIVER_S", 0.4)
    monkeypatch.setattr("kench.backup.gathering.declaring.SILENT_S", 0.1)
    monkeypatch.setattr(lacks, "AGAIN_S", 0.3)


def newest(cluster: Cluster, number: int = 0) -> int:
    """Return the number of the newest message of a journal."""
    last = cluster.ask(read_last(cluster, number), WAIT_S)
    assert last is not None
    return last.sequence


def lose(cluster: Cluster, *sequences: int) -> None:
    """Have the cluster forget messages that it acknowledged; it remembers their names."""
    for sequence in sequences:
        cluster.ask(cluster.jetstream.delete_msg(STREAM, sequence), WAIT_S)


@pytest.mark.parametrize("known", [0, 2], ids=["from-the-beginning", "from-its-middle"])
def test_what_was_lost_comes_again_while_the_front_goes_on(
    known: int, begun: Start, keep: Keep, cluster: Cluster, tmp_path: Path
) -> None:
    front, other = begun(segment_bytes=SMALL), begun(1, "other")
    gatherer = keep()
    here, there = tmp_path / "front/journal/0", tmp_path / "centre/journal/0"
    if known:
        front.write(7, 1)
        gather_until(gatherer, gathered_as(here, there))
    for key in (2, 3, 4):
        front.write(7, key)
    lost = newest(cluster)
    front.write(7, 5)
    lose(cluster, lost - 1, lost)
    other.write(3, 9)
    gather_until(gatherer, gathered_as(tmp_path / "other/journal/1", there.parent / "1"))
    gather_until(gatherer, gathered_as(here, there))
    front.write(4, 6)
    gather_until(gatherer, gathered_as(here, there))
    assert files_of(there) == files_of(here)
    assert not front.taken


def test_a_newest_message_that_was_lost_is_published_again_though_its_name_is_remembered(
    begun: Start, keep: Keep, cluster: Cluster, tmp_path: Path
) -> None:
    front = begun(records=7)
    lose(cluster, newest(cluster))
    front.write(7, 2)
    front.await_together()
    here, there = tmp_path / "front/journal/0", tmp_path / "centre/journal/0"
    gather_until(keep(), gathered_as(here, there))
    assert files_of(there) == files_of(here)
    assert not front.taken


def test_an_archive_that_starts_again_still_asks_for_what_was_lost(
    start: Start, begun: Start, keep: Keep, cluster: Cluster, tmp_path: Path
) -> None:
    front = begun()
    gatherer = keep()
    here, there = tmp_path / "front/journal/0", tmp_path / "centre/journal/0"
    gather_until(gatherer, there.exists)
    front.write(7, 1)
    lost = newest(cluster)
    front.write(7, 2)
    passed = newest(cluster)
    lose(cluster, lost)
    front.kill()
    # It is passed over while nobody has the files: nothing is taken for whole.
    gather_until(gatherer, lambda: 0 in gatherer.lacking)
    assert newest(cluster) == passed
    assert gatherer.journals[0] == 0
    gatherer.close()
    again = keep()
    start()
    gather_until(again, gathered_as(here, there))
    assert files_of(there) == files_of(here)


def test_a_journal_that_ended_is_published_again_by_its_machine(
    begun: Start, keep: Keep, cluster: Cluster, tmp_path: Path
) -> None:
    front = begun(records=7)
    lost = newest(cluster)
    front.write(7, 2)
    front.stop()
    lose(cluster, lost)
    gatherer = keep()
    here, there = tmp_path / "front/journal/0", tmp_path / "centre/journal/0"
    settings = Settings(data_dir=tmp_path / "front", journal_stream_bytes=STREAM_BYTES)
    machine = LeftBehind(settings, cluster, SystemClock())
    machine.look()

    def is_whole() -> bool:
        machine.look()
        found = read_remote(there) if there.exists() else None
        return found is not None and found.state is RemoteState.ENDED

    gather_until(gatherer, is_whole)
    assert files_of(there) == files_of(here)


def test_an_end_that_the_stream_lost_is_told_again(
    begun: Start, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = begun(records=7)
    front.kill()
    write_told(tmp_path / "front/journal/0", Told.NOTHING)
    monkeypatch.setattr("kench.pool.stream.left_behind.CHECK_S", 0.0)
    settings = Settings(data_dir=tmp_path / "front", journal_stream_bytes=STREAM_BYTES)
    LeftBehind(settings, cluster, SystemClock()).look()
    last = cluster.ask(read_last(cluster, 0), WAIT_S)
    assert last is not None
    assert last.stand.word is Word.ENDED


def test_a_journal_that_lacks_something_may_be_declared_lost(
    begun: Start, keep: Keep, cluster: Cluster, tmp_path: Path
) -> None:
    front = begun()
    gatherer = keep()
    there = tmp_path / "centre/journal/0"
    front.write(7, 1)
    gather_until(gatherer, gathered_as(tmp_path / "front/journal/0", there))
    front.write(7, 2)
    lost = newest(cluster)
    front.write(7, 3)
    front.stop()
    lose(cluster, lost)
    declare_lost(cluster, 0, SystemClock())

    def is_lost() -> bool:
        found = read_remote(there)
        return found is not None and found.state is RemoteState.LOST

    gather_until(gatherer, is_lost)
    assert gatherer.journals[0] == 7


@pytest.mark.parametrize("subject", ["kench.lacks.0", "kench.lacks.x", "kench.lacks.99"])
def test_nonsense_about_what_is_lacking_stops_nobody(
    subject: str, begun: Start, keep: Keep, cluster: Cluster, tmp_path: Path
) -> None:
    front = begun(records=7)

    async def say() -> None:
        for content in (b"", b"\xff" * 24, b"\0" * 24, b"\0" * 23, b"\1" * 24, b"\0" * 4096):
            await cluster.client.publish(subject, content)
        await cluster.client.flush()

    cluster.ask(say(), WAIT_S)
    front.write(7, 2)
    here, there = tmp_path / "front/journal/0", tmp_path / "centre/journal/0"
    gather_until(keep(), gathered_as(here, there))
    assert files_of(there) == files_of(here)

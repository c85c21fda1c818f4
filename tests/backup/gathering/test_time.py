"""Whose time passes where settlement is, who is waited for, and who begins where."""

from pathlib import Path

import pytest

from kench.backup.archive import ArchiveWriter
from kench.backup.errors import RestoreError
from kench.backup.gathering import declaring
from kench.backup.gathering.declaring import declare_lost
from kench.backup.gathering.gatherer import CLOCKS_US, TEND_S
from kench.backup.gathering.own import NumberTwiceError
from kench.backup.journals import add_journals
from kench.payouts.journals import Journals
from kench.payouts.positions import Position
from kench.pool.clock import ManualClock, SystemClock
from kench.pool.journal.completion import complete_if_free
from kench.pool.journal.mark import Mark, read_mark
from kench.pool.journal.remote import LATE_NAME, RemoteState, read_remote
from kench.pool.nats.cluster import Cluster, ClusterAwayError
from kench.pool.settings_file import read_settings
from kench.pool.stream.layout import STREAM
from kench.pool.stream.left_behind import LeftBehind
from kench.pool.stream.sending import JournalBehindError
from kench.pool.stream.told import Told, read_told
from tests.backup.gathering.conftest import Keep, Start
from tests.support.nats import Servers
from tests.support.stream_pool import (
    BASE_US,
    StreamFront,
    files_of,
    gather_until,
    gathered_as,
    without_cluster,
)
from tests.support.waiting import await_that


def state_at(centre: Path, number: int) -> RemoteState | None:
    found = read_remote(centre / "journal" / str(number))
    return found and found.state


def test_nobody_at_the_centre_says_that_a_journal_written_elsewhere_is_complete(
    begun: Start, keep: Keep, tmp_path: Path
) -> None:
    front = begun(records=5)
    there = tmp_path / "centre/journal/0"
    gatherer = keep()
    gather_until(gatherer, gathered_as(front.directory, there))
    gatherer.close()
    before = read_mark(there)
    assert complete_if_free(there, SystemClock()) == before == read_mark(there)


def test_settlement_waits_for_a_front_that_is_cut_off_and_names_it(
    begun: Start, keep: Keep, tmp_path: Path
) -> None:
    one, other = begun(1, "one", records=5), begun(2, "other", records=9)
    other.write(9)
    gatherer = keep()
    centre = tmp_path / "centre/journal"
    gather_until(gatherer, gathered_as(one.directory, centre / "1"))
    gather_until(gatherer, gathered_as(other.directory, centre / "2"))
    gatherer.close()
    journals = Journals(centre, SystemClock())
    journals.refresh()
    journals.place({1: Position(0, 0, 0), 2: Position(0, 0, 0)})
    taken = journals.take()
    assert taken is not None
    # Up to what the silent one said; a crash of its machine would hold back no more than that.
    assert taken.records["time_us"].max() < BASE_US + 5
    journals.drop(taken.counts)
    assert journals.take() is None
    assert "journal 1 (written on another machine" in str(journals.waits_for)
    assert "kench gather lost 1" in str(journals.waits_for)


def test_time_passes_for_a_journal_that_ended_until_its_front_begins_again(
    start: Start, begun: Start, keep: Keep, tmp_path: Path
) -> None:
    front = begun(records=5)
    front.stop()
    clock, centre = ManualClock(BASE_US + 60_000_000), tmp_path / "centre"
    gatherer = keep(clock=clock)
    gather_until(gatherer, lambda: state_at(centre, 0) is RemoteState.ENDED)
    clock.advance(TEND_S)
    gatherer.turn()
    there = centre / "journal/0"
    assert read_mark(there) == Mark(5, clock.now_us() - CLOCKS_US)
    # It begins again, and the archive has not heard of it yet: its time passes no more.
    before = read_mark(there)
    again = start()
    clock.advance(TEND_S)
    gatherer._tend()
    assert read_mark(there) == before
    again.await_together()
    gather_until(gatherer, lambda: state_at(centre, 0) is RemoteState.WRITTEN)
    clock.advance(TEND_S)
    gatherer.turn()
    assert read_mark(there) == before


def test_time_waits_for_a_front_that_began_and_is_not_here_yet(
    start: Start, begun: Start, keep: Keep, tmp_path: Path
) -> None:
    front = begun(1, "one")
    front.stop()
    clock, centre = ManualClock(BASE_US + 60_000_000), tmp_path / "centre"
    gatherer = keep(clock=clock)
    gather_until(gatherer, lambda: state_at(centre, 1) is RemoteState.ENDED)
    start(2, "other")
    clock.advance(TEND_S)
    before = read_mark(centre / "journal/1")
    gatherer._tend()
    assert read_mark(centre / "journal/1") == before


def test_a_front_that_begins_is_not_before_what_all_others_told(start: Start, begun: Start) -> None:
    for number, records in ((1, 50), (2, 90)):
        begun(number, f"front-{number}", records=records)
    # Its clock is years behind: settlement may have gone as far as the slowest of the others.
    late = start(3, "late", clock=ManualClock(BASE_US - 10_000_000))
    assert late.writer.floor_us == BASE_US + 50


def test_without_the_cluster_a_front_begins_only_where_it_is_waited_for(
    begun: Start, servers: Servers, tmp_path: Path
) -> None:
    front = begun(1, records=5)
    front.kill()
    assert read_told(front.directory) is Told.BEGAN
    again = without_cluster(front.directory)
    again.write(3)
    again.stop()
    with pytest.raises(ClusterAwayError, match="not begun in the stream"):
        without_cluster(tmp_path / "front/journal/2")
    back = begun(1)
    back.stop()
    assert read_told(back.directory) is Told.NOTHING
    with pytest.raises(ClusterAwayError, match="not begun in the stream"):
        without_cluster(back.directory)


def test_a_journal_that_its_front_left_is_published_to_its_end(
    begun: Start, keep: Keep, servers: Servers, tmp_path: Path
) -> None:
    front = begun(records=5)
    front.kill()
    # What a front wrote while the cluster was away, before it died.
    alone = without_cluster(front.directory)
    alone.write(4)
    alone.kill()
    data = tmp_path / "front"
    settings = read_settings(
        data_dir=data, journal_backend="nats", nats_urls=servers.urls, nats_replicas=1
    )
    line = Cluster(servers.plan("maker")).start()
    line.await_connected(5.0)
    left = LeftBehind(settings, line, SystemClock())
    left.look()
    left.stop()
    assert read_told(front.directory) is Told.NOTHING
    there = tmp_path / "centre/journal/0"
    gather_until(keep(), lambda: state_at(tmp_path / "centre", 0) is RemoteState.ENDED)
    assert read_mark(there).records == 9
    assert files_of(there) == files_of(front.directory)


def test_a_stale_writer_of_the_same_number_is_shut_out(
    start: Start, begun: Start, keep: Keep, tmp_path: Path
) -> None:
    front = begun(records=5)
    # A copy of its machine: the same folder elsewhere.
    copy = tmp_path / "copy/journal/0"
    copy.mkdir(parents=True)
    for path in front.directory.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    other = start(0, "copy")
    other.write(3)
    front.hand_over(2)
    await_that(lambda: bool(front.taken))
    assert "another process writes journal 0" in str(front.taken[0])
    # Its shares are nobody's, and it tells nobody of them any more.
    front.durable.acquire(timeout=1)
    front.hand_over(2)
    assert not front.durable.acquire(timeout=0.3)
    there = tmp_path / "centre/journal/0"
    gather_until(keep(), gathered_as(copy, there))
    assert files_of(there) == files_of(copy)


def test_a_disk_that_is_behind_the_stream_begins_nothing(
    start: Start, begun: Start, tmp_path: Path
) -> None:
    front = begun(records=5)
    front.stop()
    with pytest.raises(JournalBehindError, match="5 shares where this disk has 0"):
        start(0, "empty")


def test_what_comes_of_a_journal_that_was_declared_lost_is_set_aside(
    begun: Start,
    keep: Keep,
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    front = begun(records=5)
    gatherer, centre = keep(), tmp_path / "centre"
    there = centre / "journal/0"
    gather_until(gatherer, gathered_as(front.directory, there))
    with pytest.raises(RestoreError, match="Stop its front"):
        declare_lost(cluster, 0, SystemClock())
    with pytest.raises(RestoreError, match="no journal 7"):
        declare_lost(cluster, 7, SystemClock())
    front.kill()
    alone = without_cluster(front.directory)
    alone.write(4)
    alone.kill()
    monkeypatch.setattr(declaring, "SILENT_S", 0.0)
    assert declare_lost(cluster, 0, SystemClock()).records == 5
    gather_until(gatherer, lambda: state_at(centre, 0) is RemoteState.LOST)
    # The machine comes back after all: it may not serve, and its last shares are not lost.
    with pytest.raises(Exception, match="was declared lost"):
        begun()
    late = centre / LATE_NAME / "0"
    gather_until(gatherer, lambda: late.exists() and any(late.iterdir()))
    assert read_mark(there).records == 5
    assert sum(path.stat().st_size for path in late.iterdir()) > 4 * 72


def test_a_front_of_the_centre_itself_is_read_where_it_is(
    begun: Start, keep: Keep, cluster: Cluster
) -> None:
    front = begun(0, "centre", records=5)
    gatherer = keep()
    while gatherer.turn():
        continue
    assert read_remote(front.directory) is None
    assert gatherer.journals == {}
    front.stop()
    while gatherer.turn():
        continue
    # Nor does it fill the stream.
    gatherer.purge()
    assert cluster.ask(cluster.jetstream.stream_info(STREAM), 5.0).state.messages == 1


def test_two_machines_of_one_number_are_told_apart_at_the_centre(
    begun: Start, keep: Keep, tmp_path: Path
) -> None:
    begun(0, "elsewhere", records=5)
    StreamFront(tmp_path / "centre/journal/0").stop()
    with pytest.raises(NumberTwiceError, match="journal 0 is written here and elsewhere"):
        gather_until(keep(), lambda: False)


def test_a_backup_of_a_centre_knows_which_journals_are_written_elsewhere(
    begun: Start, keep: Keep, tmp_path: Path
) -> None:
    front = begun(records=5)
    centre = tmp_path / "centre"
    gather_until(keep(), gathered_as(front.directory, centre / "journal/0"))
    named = _Named()
    list(add_journals(named, centre / "journal", {}))
    assert named.files["journal/0/remote"] == (centre / "journal/0/remote").read_bytes()


class _Named(ArchiveWriter):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def add_bytes(self, name: str, content: bytes) -> None:
        self.files[name] = content

    def add_file(self, path: Path, name: str, size: int | None = None) -> None:
        self.files[name] = path.read_bytes()[:size]

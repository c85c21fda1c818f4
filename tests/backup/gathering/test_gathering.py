"""What a front publishes is where settlement reads: the same bytes, once, in order."""

from pathlib import Path

from kench.native import RECORD_SIZE
from kench.pool.journal import JournalReader
from kench.pool.journal.mark import read_mark
from kench.pool.journal.remote import RemoteState, read_remote
from tests.backup.gathering.conftest import Keep, Start
from tests.support.stream_pool import files_of, gather_until, gathered_as


def test_an_acknowledged_share_is_in_the_stream(begun: Start, keep: Keep, tmp_path: Path) -> None:
    front = begun()
    for key in range(1, 6):
        front.write(7, key)
    here, there = tmp_path / "front/journal/0", tmp_path / "centre/journal/0"
    gather_until(keep(), gathered_as(here, there))
    assert files_of(there) == files_of(here)
    assert len(JournalReader(there).read(0, 100)) == 35


def test_segments_and_their_digests_are_the_same(begun: Start, keep: Keep, tmp_path: Path) -> None:
    front = begun(segment_bytes=64 + 10 * RECORD_SIZE)
    for key in range(1, 7):
        front.write(8, key)
    here, there = tmp_path / "front/journal/0", tmp_path / "centre/journal/0"
    gather_until(keep(), gathered_as(here, there))
    assert sum(name.endswith(".digest") for name in files_of(here)) >= 2
    assert files_of(there) == files_of(here)


def test_a_front_that_ends_in_order_says_so(start: Start, keep: Keep, tmp_path: Path) -> None:
    front = start()
    front.write(3, 1)
    front.stop()
    there = tmp_path / "centre/journal/0"
    gather_until(keep(), lambda: (one := read_remote(there)) is not None
                 and one.state is RemoteState.ENDED)  # fmt: skip
    assert read_mark(there).records == 3

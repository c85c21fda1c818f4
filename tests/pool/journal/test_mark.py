"""Claims about the durable mark: read whole while it is written, older ones too, one holder."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.journal import JournalError
from kench.pool.journal.mark import NOTHING, DurableMark, Mark, read_mark

U64 = st.integers(0, 2**64 - 1)


@given(U64, U64)
def test_a_mark_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, records: int, watermark_us: int
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    held = DurableMark(directory)
    held.set(Mark(records, watermark_us))
    assert read_mark(directory) == (records, watermark_us)
    held.close()


def test_a_mark_of_eight_bytes_has_no_watermark(tmp_path: Path) -> None:
    (tmp_path / "durable").write_bytes((77).to_bytes(8, "little"))
    assert read_mark(tmp_path) == Mark(77, 0)
    held = DurableMark(tmp_path)
    assert held.found == Mark(77, 0)
    held.set(Mark(78, 5))
    assert read_mark(tmp_path) == Mark(78, 5)
    held.close()


@pytest.mark.parametrize("raw", [b"", bytes(24), Mark(5, 6).pack()[:20] + b"abcd"])
def test_a_mark_that_a_crash_spoilt_promises_nothing(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "durable").write_bytes(raw)
    assert read_mark(tmp_path) == NOTHING


@given(st.lists(st.tuples(U64, U64), min_size=2, max_size=4), st.data())
def test_words_of_several_marks_together_are_none(
    tmp_path_factory: pytest.TempPathFactory, marks: list[tuple[int, int]], data: st.DataObject
) -> None:
    """What a reader may see that comes between the words of a writer."""
    packed = [Mark(*mark).pack() for mark in marks]
    words = [data.draw(st.sampled_from(packed))[at : at + 8] for at in (0, 8, 16)]
    directory = tmp_path_factory.mktemp("journal")
    (directory / "durable").write_bytes(b"".join(words))
    assert read_mark(directory) in {NOTHING, *marks}


def test_a_reader_beside_a_writer_sees_whole_marks_that_never_descend(tmp_path: Path) -> None:
    held = DurableMark(tmp_path)
    held.set(Mark(0, 3))
    ended = threading.Event()

    def write() -> None:
        for count in range(20_000):
            held.set(Mark(count, count * 7 + 3))
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = [read_mark(tmp_path)]
    while not ended.is_set():
        seen.append(read_mark(tmp_path))
    writer.join()
    assert all(mark.watermark_us == mark.records * 7 + 3 for mark in seen)
    assert seen == sorted(seen)
    held.close()


def test_a_writer_waits_for_who_holds_the_lock_for_moments(tmp_path: Path) -> None:
    held = DurableMark(tmp_path)
    threading.Timer(0.05, held.close).start()
    DurableMark(tmp_path).close()


def test_the_lock_ends_with_its_holder(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        DurableMark(tmp_path).set(Mark(3, 4))
        os._exit(0)
    os.waitpid(child, 0)
    held = DurableMark(tmp_path, tries=1)
    with pytest.raises(JournalError, match="KENCH_INSTANCE"):
        DurableMark(tmp_path, tries=1)
    assert held.found == Mark(3, 4)
    held.close()

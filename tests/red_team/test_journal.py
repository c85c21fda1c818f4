"""A machine of fronts that was taken: what it may say by the stream and by the standby's line."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kench.backup.gathering import consuming, declaring, gaps
from kench.backup.gathering.consuming import name_of
from kench.backup.gathering.declaring import declare_lost
from kench.backup.gathering.gatherer import Gatherer
from kench.backup.standby.receiving import Receiver
from kench.native import RECORD_SIZE
from kench.pool.clock import SystemClock
from kench.pool.errors import KenchError
from kench.pool.journal.format import HEADER_SIZE, segment_header
from kench.pool.journal.mark import read_mark
from kench.pool.journal.remote import LATE_NAME, RemoteState, read_remote
from kench.pool.nats.cluster import Cluster
from kench.pool.shipping.frames import (
    SHIPPING_VERSION,
    Commit,
    Kind,
    commit_frame,
    frame,
    placed_frame,
    words_frame,
)
from kench.pool.shipping.link import Link, connect
from kench.pool.stream.layout import subject_of
from kench.pool.stream.message import Stand, Word, message_of
from tests.support.nats import Servers
from tests.support.records import raw_records
from tests.support.stream_pool import (
    STREAM_BYTES,
    StreamFront,
    files_of,
    gather_until,
    no_stream,
)

WAIT_S = 20.0
HONEST, TAKEN = 0, 7
SHARES = 5
END = HEADER_SIZE + RECORD_SIZE * SHARES
"""Where a file of so many ends."""
FAR = 2**63


def has_as_many(here: Path, there: Path) -> Callable[[], bool]:
    """Return whether there are as many records in one folder as in another.

    Their watermarks may differ: a front that begins late is given that of the others, and the
    records of these tests are older.
    """
    return lambda: there.exists() and read_mark(here).records == read_mark(there).records


class Stage:
    """Two fronts whose journals are gathered; a third party may write to the stream."""

    def __init__(self, folder: Path, servers: Servers, cluster: Cluster) -> None:
        self.folder, self.cluster, self._servers = folder, cluster, servers
        no_stream(cluster)
        self.fronts = {number: self.front(number) for number in (HONEST, TAKEN)}
        centre = folder / "centre"
        centre.mkdir()
        self.gatherer = Gatherer(centre, cluster, name_of(centre), SystemClock(), STREAM_BYTES)
        self.gather()

    def front(self, number: int) -> StreamFront:
        """Begin a front, and have shares of its acknowledged."""
        made = StreamFront(self.folder / f"front/{number}", self._servers.plan("front"))
        assert made.publisher is not None
        made.await_together()
        made.write(SHARES, 1)
        return made

    def there(self, number: int) -> Path:
        return self.folder / f"centre/journal/{number}"

    def gather(self) -> None:
        """Have all that the fronts have at the centre."""
        for number, front in self.fronts.items():
            here, there = front.directory, self.there(number)
            # As its process does: what stands in the way is tried again.
            gather_until(self.gatherer, has_as_many(here, there), KenchError)

    def gather_to_the_end(self) -> None:
        """Gather until nothing comes; raises what stands in the way."""
        while self.gatherer.turn():
            pass

    def say(self, subject: str, message: bytes) -> None:
        """Publish as whoever may."""
        self.cluster.ask(self.cluster.jetstream.publish(subject, message), 5.0)

    def stand(self, more: int = 0, **other: object) -> Stand:
        """Where a journal of so many shares is, and more."""
        jobs = (self.fronts[HONEST].directory / f"{0:016d}.jobs").stat().st_size
        size = HEADER_SIZE + RECORD_SIZE * (SHARES + more)
        made = Stand(9, 0, jobs, size, SHARES + more, 0, 0, Word.GOES_ON)
        return made._replace(**other)

    def forged(self, count: int = 3) -> bytes:
        """A message with shares that nobody handed in, whole and in their place."""
        records = raw_records(SHARES, count)
        frames = [placed_frame(Kind.SHARES, 0, END, records)]
        last = int.from_bytes(records[-RECORD_SIZE:][:4], "little")
        return message_of(frames, self.stand(count, last_crc32=last))

    def close(self) -> None:
        for front in self.fronts.values():
            front.stop()
        self.gatherer.close()


@pytest.fixture
def stage(
    tmp_path: Path, servers: Servers, line: Cluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    monkeypatch.setattr(consuming, "REDELIVER_S", 0.2)
    monkeypatch.setattr(gaps, "LACK_S", 0.2)
    monkeypatch.setattr(declaring, "SILENT_S", 0.0)
    made = Stage(tmp_path, servers, line)
    yield made
    made.close()


@pytest.mark.parametrize("word", ["00", "+0", "0.0", "x", "4096", "\u0660", "9" * 30])
def test_a_journal_has_one_subject_and_no_other_word_reaches_it(stage: Stage, word: str) -> None:
    subject = f"kench.journal.{word}"
    if word == "0.0":
        with pytest.raises(KenchError):
            stage.say(subject, stage.forged())
    else:
        stage.say(subject, stage.forged())
    for front in stage.fronts.values():
        front.write(2)
    stage.gather()
    for number, front in stage.fronts.items():
        assert files_of(stage.there(number)) == files_of(front.directory)
    folders = {path.name for path in (stage.folder / "centre/journal").iterdir()}
    assert folders == {str(HONEST), str(TAKEN)}
    # Nor does it keep others from beginning.
    stage.fronts[1] = stage.front(1)
    stage.gather()


def place(
    content: bytes, kind: Kind = Kind.SHARES, first: int = 0, offset: int = END
) -> list[bytes]:
    return [placed_frame(kind, first, offset, content)]


POISON: dict[str, Callable[[Stage], bytes]] = {
    "no message": lambda _: b"\xff" * 40,
    "an empty one": lambda _: b"",
    "one that is cut": lambda stage: stage.forged()[:-9],
    "one that was changed": lambda stage: stage.forged().replace(b"\x09", b"\x0a", 1),
    "a frame of another line": lambda stage: message_of([frame(Kind.HELLO, b"{}")], stage.stand()),
    "a frame without a place": lambda stage: message_of([frame(Kind.SHARES, b"")], stage.stand()),
    "shares that are not there": lambda stage: message_of([], stage.stand(10**15)),
    "a place far away": lambda stage: message_of(
        place(raw_records(SHARES, 1), offset=FAR), stage.stand(1)
    ),
    "records that are none": lambda stage: message_of(place(bytes(RECORD_SIZE)), stage.stand(1)),
    "another last share": lambda stage: message_of(
        place(raw_records(SHARES, 1)), stage.stand(1, last_crc32=1)
    ),
    "a digest that is another": lambda stage: message_of(
        place(b'{"records": 5}', Kind.SEAL), stage.stand()
    ),
    "a digest that is none": lambda stage: message_of(
        place(b"[" * 50_000, Kind.SEAL), stage.stand()
    ),
    "another beginning": lambda stage: message_of(
        place(bytes(HEADER_SIZE), Kind.OPEN), stage.stand()
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", POISON)
def test_a_poisoned_message_is_nobodys_share_and_its_journal_can_be_given_up(
    what: str, stage: Stage
) -> None:
    taken = stage.fronts.pop(TAKEN)
    taken.kill()
    stage.say(subject_of(TAKEN), POISON[what](stage))
    before = files_of(stage.there(TAKEN))
    stage.fronts[HONEST].write(2)
    with pytest.raises(KenchError, match=f"journal {TAKEN}"):
        stage.gather_to_the_end()
    assert read_mark(stage.there(TAKEN)).records == SHARES
    assert files_of(stage.there(TAKEN)) == before
    # Others begin and are acknowledged meanwhile; what they have waits in the stream.
    stage.fronts[1] = stage.front(1)
    # An officer gives the journal up: from there on it is set aside, and all others go on.
    declare_lost(stage.cluster, TAKEN, SystemClock())
    stage.gather()
    found = read_remote(stage.there(TAKEN))
    assert found is not None
    assert found.state is RemoteState.LOST
    assert files_of(stage.there(TAKEN)) == before
    # What only lacks something before it may have been a front's, and is waited for.
    late = stage.folder / "centre" / LATE_NAME / str(TAKEN)
    assert late.exists() == (what not in {"shares that are not there", "a place far away"})


HELLO = {"version": SHIPPING_VERSION, "instance": 0, "generation": 1, "mode": "sync"}


@pytest.fixture
def standby(tmp_path: Path) -> Iterator[Receiver]:
    receiver = Receiver(tmp_path, "127.0.0.1:0", None, SystemClock())
    receiver.start()
    yield receiver
    receiver.stop()


@contextlib.contextmanager
def line_to(standby: Receiver) -> Iterator[Link]:
    """A line of somebody's who has its certificate, or where it has none."""
    with contextlib.closing(connect(f"127.0.0.1:{standby.address[1]}", None, WAIT_S)) as link:
        yield link


def begin(link: Link) -> None:
    """Say hello as a front, and go on from where its copy is."""
    link.send(words_frame(Kind.HELLO, HELLO))
    assert link.receive()[0] is Kind.STATE
    link.send(words_frame(Kind.START, {"first": 0, "jobs": 0, "shares": HEADER_SIZE}))
    assert link.receive()[0] is Kind.KEPT


def is_refused(link: Link) -> bool:
    """Whether the standby ends the line without a word that anything is kept."""
    try:
        while True:
            kind, _ = link.receive()
            if kind is Kind.KEPT:
                return False
    except OSError:
        return True


@pytest.mark.parametrize(
    "hello",
    [{"instance": -1}, {"instance": 4096}, {"instance": "../../x"}, {"instance": [0]},
     {"instance": 1e400}, {"generation": 1e400}, {"generation": 10**40}, {"generation": None},
     {"generation": -1}, {"version": 0}],
    ids=str,
)  # fmt: skip
def test_who_says_who_it_is_in_another_way_leaves_nothing_at_the_standby(
    hello: dict[str, object], standby: Receiver, tmp_path: Path
) -> None:
    with line_to(standby) as link:
        link.send(words_frame(Kind.HELLO, HELLO | hello))
        assert is_refused(link)
    assert not list(tmp_path.rglob("*"))


def test_words_that_are_nested_without_end_end_their_own_line_alone(standby: Receiver) -> None:
    for kind in (Kind.HELLO, Kind.START):
        with line_to(standby) as link:
            if kind is Kind.START:
                link.send(words_frame(Kind.HELLO, HELLO))
                assert link.receive()[0] is Kind.STATE
            link.send(frame(kind, b"[" * 60_000))
            assert is_refused(link)


COPIES: dict[str, list[bytes]] = {
    "a commit of more than came": [commit_frame(Commit(2, 50, 1, 50))],
    "records that are none": place(bytes(RECORD_SIZE)),
    "another's place": place(raw_records(SHARES, 1), first=99),
    "half a record": place(raw_records(SHARES, 1)[:40]),
    "a gap": place(raw_records(SHARES, 1), offset=FAR),
    "another segment": place(bytes(HEADER_SIZE), Kind.OPEN, first=99),
    "another digest": place(json.dumps({"records": SHARES}).encode(), Kind.SEAL),
    "what a standby says": [words_frame(Kind.REPLACED, {"generation": 9})],
    "a body without a place": [frame(Kind.SHARES, b"")],
    "a kind that is none": [frame(Kind.STAND, b"x" * 16)],
    "no frame": [b"\xff" * 64],
}


@pytest.mark.parametrize("what", COPIES)
def test_the_copy_keeps_what_was_acknowledged_whatever_comes_behind_it(
    what: str, standby: Receiver, tmp_path: Path
) -> None:
    copy = tmp_path / "journal/0"
    with line_to(standby) as link:
        begin(link)
        link.send(b"".join([
            placed_frame(Kind.OPEN, 0, 0, segment_header(0, 0, 1)),
            placed_frame(Kind.SHARES, 0, HEADER_SIZE, raw_records(0, SHARES)),
            commit_frame(Commit(1, SHARES, 1, SHARES)),
        ]))  # fmt: skip
        assert link.receive()[0] is Kind.KEPT
        before = files_of(copy)
        link.send(b"".join([*COPIES[what], commit_frame(Commit(2, SHARES + 1, 1, SHARES + 1))]))
        assert is_refused(link)
    assert files_of(copy) == before
    assert read_mark(copy).records == SHARES

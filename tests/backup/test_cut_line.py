"""A main machine behind a cut line serves on when its standby leads, until it hears of it."""

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from kench.backup.standby.comparing import compare
from kench.backup.standby.founding import follows_if_new
from kench.backup.standby.hearing import StillHeardError
from kench.backup.standby.promoting import promote
from kench.backup.standby.receiving import Receiver
from kench.pool.clock import SystemClock
from kench.pool.journal import Batch, JournalWriter
from kench.pool.journal.mark import read_mark
from kench.pool.settings import Settings
from kench.pool.shipping import ReplacedError, lead_watch
from kench.pool.shipping.generation import read_generation
from kench.pool.shipping.lead_watch import LeadWatch
from kench.pool.shipping.leading import FOLLOWING, require_lead
from kench.pool.shipping.shipper import WhenAway
from kench.pool.work import work_of
from tests.backup.test_shipping import Machine
from tests.support.records import archived_job, raw_records
from tests.support.waiting import await_that

ROOTS = ("stratum", "stratum/serve", "payouts", "sale", "cabinet", "tax", "up")


class Line:
    """A relay of TCP that can be cut: what was open hangs up, what comes is turned away."""

    def __init__(self, there: tuple[str, int]) -> None:
        self._there, self._open = there, set[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self.is_cut = True
        for one in tuple(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self.is_cut = False

    def close(self) -> None:
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.is_cut:
                near.close()
                continue
            far = socket.create_connection(self._there)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        self._open.add(source)
        with source, contextlib.suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_RDWR)


class Pair(Machine):
    """A main machine that serves on alone, and its standby behind a line that can be cut."""

    def __init__(self, folder: Path) -> None:
        self.there = folder / "there"
        (self.there / "standby").mkdir(parents=True)
        (self.there / FOLLOWING).write_text("{}")
        self.receiver = Receiver(self.there, "127.0.0.1:0", None, SystemClock())
        self.receiver.start()
        self.line = Line(self.receiver.address)
        super().__init__(folder / "here", self.line.address, when_away=WhenAway.SERVE)
        self.settings = Settings(
            data_dir=self.data, standby_address=self.line.address, standby_mode="sync"
        )

    def end(self) -> None:
        self.stop()
        self.receiver.stop()
        self.line.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.end()


def lead_there(there: Path, count: int) -> None:
    """Have the standby lead, and serve miners itself."""
    promote(Settings(data_dir=there), SystemClock(), main_is_off=True)
    writer = JournalWriter(there / "journal/0", 0, SystemClock(), 1 << 30, 3600)
    writer.start(lambda _batch: None, lambda _error: None, pytest.fail)
    first = writer.next_sequence
    records = raw_records(first, count, job_key=9)
    writer.hand_over(Batch([archived_job(9)], records, count, first + count))
    writer.stop()


def test_nobody_is_promoted_while_the_main_machine_is_heard(pair: Pair) -> None:
    pair.await_together()
    pair.write(5, 1)
    with pytest.raises(StillHeardError, match=r"by journal 0: nothing was changed.*--main-is-off"):
        promote(Settings(data_dir=pair.there), SystemClock())
    assert read_generation(pair.there) == 1
    # It goes on as before.
    pair.write(2)
    assert read_mark(pair.there / "journal/0").records == 7


def test_who_led_alone_behind_a_cut_line_ends_when_the_line_comes_back(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead_watch, "LOOK_S", 0.05)
    monkeypatch.setattr(lead_watch, "ASK_EACH_S", 0.1)
    told = threading.Event()
    # As in each process that ships no journal: it settles, sells, shows pages.
    watch = LeadWatch(pair.settings, SystemClock(), told.set).start()
    pair.await_together()
    pair.write(5, 1)
    pair.line.cut()
    pair.write(4)
    lead_there(pair.there, 3)
    # Both lead now, and neither can know.
    pair.write(2)
    assert not told.is_set()
    pair.line.mend()
    assert told.wait(10)
    with pytest.raises(ReplacedError, match="generation 2"):
        watch.end()
    await_that(lambda: bool(pair.replaced))
    pair.hand_over(1)
    assert not pair.durable.acquire(timeout=0.1)
    pair.stop()
    (told_of,) = compare(pair.there, pair.data).journals
    assert (told_of.same, told_of.missing) == (5, [])
    # Six were acknowledged by who led alone, the seventh was written when it had heard.
    assert told_of.there is not None
    assert told_of.there[:4] == (7, 6, 5, 11)
    assert told_of.there.by_participant == {0: (7, 7 * work_of(1.0))}
    assert told_of.here is not None
    assert told_of.here[:4] == (3, 3, 5, 7)


def test_whatever_serves_looks_whether_it_still_leads() -> None:
    for root in ROOTS:
        source = Path(f"kench/{root}/__main__.py").read_text()
        if root == "stratum/serve":
            # Its journal hears of it, and the job maker's watch ends it.
            assert "refuse_if_replaced(" in source
        else:
            assert "require_lead(" in source, root
            assert "lead = LeadWatch(" in source, root
            assert "lead.end()" in source, root


def test_a_process_ends_as_by_sigterm_and_says_why(pair: Pair, tmp_path: Path) -> None:
    script = f"""
import signal, threading
from pathlib import Path
from kench.pool.clock import SystemClock
from kench.pool.roots import run_root
from kench.pool.settings import Settings
from kench.pool.shipping import lead_watch
lead_watch.LOOK_S = 0.05
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
def main():
    lead = lead_watch.LeadWatch(Settings(data_dir=Path({str(tmp_path)!r})), SystemClock()).start()
    print("ready", flush=True)
    stop.wait(20)
    lead.end()
run_root("settle", main)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        (tmp_path / "replaced").write_text("2\n")
        assert process.wait(15) == 1
        assert "kench settle: the standby leads this pool now" in process.stderr.read()


def test_who_reaches_the_new_machines_database_hears_of_it_there(
    database: str, tmp_path: Path
) -> None:
    """As where both machines have one URL, and the database behind it was switched."""
    url = SecretStr(database)
    there = Settings(data_dir=tmp_path / "there", database_url=url)
    here = Settings(data_dir=tmp_path / "here", database_url=url)
    there.data_dir.mkdir()
    # Its database is replicated by its own means, so no `init` made this folder.
    assert follows_if_new(there.data_dir)
    assert follows_if_new(there.data_dir)
    require_lead(here)
    assert promote(there, SystemClock()).generation == 2
    assert not follows_if_new(there.data_dir)
    require_lead(there)
    # A machine that never had miners works for whoever leads.
    require_lead(here)
    (here.data_dir / "journal").mkdir(parents=True)
    with pytest.raises(ReplacedError, match="generation 2"):
        require_lead(here)
    assert (here.data_dir / "replaced").read_text() == "2\n"


def test_a_process_that_may_not_keep_it_in_the_folder_ends_all_the_same(
    database: str, tmp_path: Path
) -> None:
    """Services that have no business in the data folder cannot write there."""
    url = SecretStr(database)
    here = Settings(data_dir=tmp_path / "here", database_url=url)
    there = Settings(data_dir=tmp_path / "there", database_url=url)
    there.data_dir.mkdir()
    assert follows_if_new(there.data_dir)
    promote(there, SystemClock())
    # Even root writes no file where a folder is.
    (here.data_dir / "replaced.partial").mkdir(parents=True)
    (here.data_dir / "journal").mkdir()
    for _ in range(2):
        with pytest.raises(ReplacedError, match="generation 2"):
            require_lead(here)
    assert not (here.data_dir / "replaced").exists()

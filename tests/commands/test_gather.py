"""`kench gather` as people and supervisors run it, and a front as its process makes it."""

import json
import threading
from pathlib import Path

import pytest

from kench.backup.gathering import declaring
from kench.backup.gathering.consuming import name_of
from kench.backup.gathering.gatherer import Gatherer
from kench.commands import gather
from kench.pool.clock import SystemClock
from kench.pool.journal import Batch
from kench.pool.settings import Settings
from kench.pool.settings_file import read_settings
from kench.stratum.front_journal import FrontJournal
from tests.support.nats import Servers, connected
from tests.support.records import archived_job, raw_records
from tests.support.stream_pool import STREAM_BYTES, files_of, gather_until


def settings_of(data: Path, servers: Servers) -> Settings:
    return read_settings(
        data_dir=data, instance=5, journal_backend="nats", nats_urls=servers.urls, nats_replicas=1,
        journal_stream_bytes=STREAM_BYTES,
    )  # fmt: skip


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr("sys.argv", ["kench gather", *words])
    assert gather.main() == 0


def test_a_fronts_journal_is_gathered_shown_and_declared_lost(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    settings = settings_of(tmp_path / "front", servers)
    journal = FrontJournal(settings, SystemClock(), pytest.fail)
    durable = threading.Semaphore(0)
    journal.start(lambda _: durable.release(), pytest.fail, pytest.fail)
    journal.writer.hand_over(Batch([archived_job()], raw_records(0, 9), 9, 1_700_000_000_000_009))
    assert durable.acquire(timeout=10)
    assert journal.state()["standby"] is None
    assert journal.state()["stream"]["acknowledged_without"] in {0, 9}
    journal.stop()

    centre = tmp_path / "centre"
    centre.mkdir()
    there = centre / "journal/5"
    with connected(servers.plan()) as cluster:
        gatherer = Gatherer(centre, cluster, name_of(centre), SystemClock(), STREAM_BYTES)
        gather_until(gatherer, lambda: there.exists() and files_of(there).keys()
                     == files_of(settings.journal_directory).keys())  # fmt: skip
        gather_until(gatherer, lambda: gatherer.journals == {5: 9})
        gatherer.close()
    assert files_of(there) == files_of(settings.journal_directory)

    monkeypatch.setenv("KENCH_NATS_URLS", servers.urls[0])
    capsys.readouterr()
    run(monkeypatch, "status", "--data", str(centre))
    (shown,) = json.loads(capsys.readouterr().out)["journals"]
    assert (shown["number"], shown["state"], shown["records"]) == (5, "ended", 9)
    monkeypatch.setattr(declaring, "SILENT_S", 0.0)
    run(monkeypatch, "lost", "5", "--data", str(centre))
    said = capsys.readouterr().out
    assert "journal 5 is lost: 9 shares" in said
    assert "is not paid" in said
    run(monkeypatch, "forget", name_of(centre), "--data", str(centre))
    assert "keeps nothing" in capsys.readouterr().out


def test_without_a_cluster_it_says_which_setting_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KENCH_NATS_URLS", raising=False)
    with pytest.raises(gather.NoClusterError, match="KENCH_NATS_URLS"):
        run(monkeypatch, "--data", str(tmp_path))


@pytest.mark.parametrize("words", [["lost"], ["status", "3"], ["lost", "three"]], ids=" ".join)
def test_wrong_words_are_refused(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, *words)


def test_a_journal_goes_to_a_standby_or_to_a_stream(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="do not go together"):
        read_settings(
            data_dir=tmp_path, journal_backend="nats", nats_urls=("nats://127.0.0.1:1",),
            standby_address="127.0.0.1:1",
        )  # fmt: skip
    with pytest.raises(Exception, match="needs nats_urls"):
        read_settings(data_dir=tmp_path, journal_backend="nats")

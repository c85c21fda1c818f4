"""`kench gather`: keep an archive of the journals in the stream, look at it, decide about them."""

import json
import signal
import threading
from pathlib import Path
from typing import Any

from kench.backup.gathering.consuming import ASK_S, PREFIX, archives, floor_of, name_of
from kench.backup.gathering.declaring import declare_lost, forget_archive
from kench.backup.gathering.gatherer import Gatherer
from kench.backup.gathering.metrics import GatherMetrics
from kench.backup.journals import journal_folders
from kench.pool.clock import Clock, SystemClock
from kench.pool.errors import KenchError
from kench.pool.journal.mark import read_mark
from kench.pool.journal.remote import LATE_NAME, read_remote
from kench.pool.moments import moment_text
from kench.pool.nats.cluster import Cluster, ClusterPlan
from kench.pool.roots import announce, command, run_root, settings_of, start_logging
from kench.pool.settings import Settings
from kench.pool.stream.layout import STREAM
from kench.pool.web.watching import watched

ROLE = "gather"
CONNECT_S = 10.0
STEPS = {
    "run": "take journals from the stream, for as long as it runs",
    "status": "print journals, archives and what waits in the stream, as JSON",
    "lost": "NUMBER: its machine does not come back; what was on its disk alone is not paid",
    "forget": "NAME: an archive does not come back; the stream keeps nothing for it any more",
}


class NoClusterError(KenchError):
    """No cluster is set."""


def main() -> int:
    """Run one step."""
    parser = command(
        ROLE,
        "Where settlement is: journals of fronts on other machines, from the NATS stream to the\n"
        "same files here (docs/journal.md). Several machines may each keep such an archive.\n"
        + "\n".join(f"  {name:<8} {words}" for name, words in STEPS.items()),
        example="kench gather --data /var/lib/kench\n"
        "  kench gather status --data /var/lib/kench\n"
        "  kench gather lost 12 --data /var/lib/kench",
    )
    parser.add_argument("step", nargs="?", default="run", choices=STEPS, metavar="STEP")
    parser.add_argument("which", nargs="?", metavar="NUMBER|NAME", help="lost, forget: which")
    given = parser.parse_intermixed_args()
    if (given.which is None) is (given.step in {"lost", "forget"}):
        parser.error("lost needs a journal's number, forget an archive's name, the others nothing")
    if given.step == "lost" and not given.which.isdecimal():
        parser.error("lost needs the number of a journal")
    settings, clock = settings_of(given), SystemClock()
    plan = ClusterPlan.of(settings, f"kench gather {given.step}")
    if plan is None:
        raise NoClusterError("no NATS: set KENCH_NATS_URLS to the cluster's servers")
    start_logging(ROLE)
    cluster = Cluster(plan).start()
    try:
        if given.step == "run":
            _run(settings, cluster, clock)
        else:
            cluster.await_connected(CONNECT_S)
            _decide(settings, cluster, clock, given.step, given.which)
    finally:
        cluster.close()
    return 0


def _run(settings: Settings, cluster: Cluster, clock: Clock) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    data = settings.data_dir
    data.mkdir(parents=True, exist_ok=True)
    gatherer = Gatherer(data, cluster, name_of(data), clock, settings.journal_stream_bytes)
    progress = gatherer.progress
    host, port = settings.metrics_host, settings.gather_metrics_port
    with watched(ROLE, host, port, GatherMetrics(progress), lambda: progress.why):
        announce(ROLE, "ready")
        gatherer.run(stop)


def _decide(
    settings: Settings, cluster: Cluster, clock: Clock, step: str, which: str | None
) -> None:
    if step == "lost":
        stand = declare_lost(cluster, int(which or 0), clock)
        late = settings.data_dir / LATE_NAME
        print(
            f"kench gather: journal {which} is lost: {stand.records} shares, complete up to "
            f"{moment_text(stand.watermark_us)}. What was acknowledged on that machine's disk "
            f"alone is not paid; what still comes from there goes to {late}.\n"
            "its number is not used again: that machine needs another KENCH_INSTANCE"
        )
    elif step == "forget":
        forget_archive(cluster, str(which))
        print(f"kench gather: the stream keeps nothing for {which} any more")
    else:
        print(json.dumps(_status(settings.data_dir, cluster, clock), indent=1))


def _status(data: Path, cluster: Cluster, clock: Clock) -> dict[str, Any]:
    async def ask() -> tuple[Any, Any]:
        return await cluster.jetstream.stream_info(STREAM), await archives(cluster)

    info, found = cluster.ask(ask(), ASK_S)
    own = data / "gather.json"
    now_us = clock.now_us()
    return {
        "archive": name_of(data) if own.exists() else None,
        "stream": {
            "messages": info.state.messages,
            "bytes": info.state.bytes,
            "bytes_max": info.config.max_bytes,
            "last": info.state.last_seq,
        },
        "archives": {
            one.name: {"has": floor_of(one), "lacks": one.num_pending} for one in found
            if one.name.startswith(PREFIX)
        },
        "journals": [
            {
                "number": int(folder.name),
                "state": mark.state.name.lower(),
                "records": read_mark(folder).records,
                "complete_up_to": moment_text(read_mark(folder).watermark_us),
                "behind_s": round((now_us - read_mark(folder).watermark_us) / 1_000_000, 3),
                "set_aside": sum(1 for _ in (data / LATE_NAME / folder.name).glob("*.frames")),
            }
            for folder in journal_folders(data / "journal")
            if (mark := read_remote(folder)) is not None
        ],
    }  # fmt: skip


if __name__ == "__main__":
    run_root(ROLE, main)

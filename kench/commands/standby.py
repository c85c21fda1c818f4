"""`kench standby`: make one, have it follow, look at it, have it lead."""

import contextlib
import json
import signal
import sys
import threading
from pathlib import Path

from kench.backup.errors import RestoreError
from kench.backup.journals import journal_folders
from kench.backup.standby.comparing import Beyond, as_json, compare
from kench.backup.standby.founding import followed_address, follows_if_new, found
from kench.backup.standby.hearing import streamed
from kench.backup.standby.lending import lend, reached, ready_replica_role
from kench.backup.standby.lost_blocks import (
    HEIGHTS_BACK,
    chain_of,
    find_lost,
    newest_job_height,
    write_lost,
)
from kench.backup.standby.promoting import Promoted, promote
from kench.backup.standby.receiving import Receiver
from kench.backup.standby.told import read_told
from kench.pool.clock import Clock, SystemClock
from kench.pool.journal.completion import complete_if_free
from kench.pool.journal.mark import read_mark
from kench.pool.moments import moment_text
from kench.pool.postgres import EmbeddedPostgres
from kench.pool.postgres_cluster import Cluster
from kench.pool.roots import announce, command, end_tidily, run_root, settings_of, start_logging
from kench.pool.rpc import Node
from kench.pool.running import node_urls_of
from kench.pool.settings import Settings
from kench.pool.shipping.generation import read_generation
from kench.pool.shipping.leading import FOLLOWING, tls_of

ROLE = "standby"
LOOK_S = 0.5
REVIVE_S = 5.0
READY_S = 60.0
STEPS = {
    "init": "make an empty folder follow a main machine's database",
    "lend": "on the main machine: let a standby copy the embedded database, by TLS",
    "serve": "take journals and follow the database, until it leads",
    "status": "print what is here, as JSON",
    "promote": "lead from now on; the old main machine is shut out",
    "blocks": "list found blocks on the chain that no journal here knows; --write keeps them",
    "compare": "list what only the folder OTHER has: shares, found blocks",
}


def main() -> int:
    """Run one step."""
    parser = command(
        ROLE,
        "A second machine that has every acknowledged share and the database (docs/backup.md):\n"
        + "\n".join(f"  {name:<8} {words}" for name, words in STEPS.items()),
        example="kench standby init --data /var/lib/kench --from "
        "main.example:9448\n"
        "  kench standby serve --data /var/lib/kench\n"
        "  kench standby promote --data /var/lib/kench\n"
        "  kench standby compare /mnt/old-machine/kench --data /var/lib/kench",
    )
    parser.add_argument("step", choices=STEPS, metavar="STEP", help="one of the above")
    parser.add_argument(
        "other", nargs="?", type=Path, metavar="OTHER", help="compare: the other machine's folder"
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="HOST:PORT",
        help="init: where the main machine lends its database; or its folder, if it is here",
    )
    parser.add_argument("--standby-listen", metavar="HOST:PORT", help="serve: where fronts ship to")
    parser.add_argument(
        "--main-is-off",
        action="store_true",
        help="promote: the main machine was heard a moment ago, and nobody reaches it any more",
    )
    parser.add_argument("--json", action="store_true", help="compare: print one JSON object")
    parser.add_argument(
        "--write", action="store_true", help="blocks: append the shares that found them"
    )
    parser.add_argument(
        "--from-height",
        type=int,
        metavar="N",
        help=f"blocks: from where (default: {HEIGHTS_BACK} before the newest job here)",
    )
    given = parser.parse_intermixed_args()
    if given.main_is_off and given.step != "promote":
        parser.error("--main-is-off belongs to promote")
    if (given.other is None) is (given.step == "compare"):
        parser.error("compare, and nothing else, needs the other machine's folder")
    if (given.source is None) is (given.step == "init"):
        parser.error("init, and nothing else, needs --from")
    settings = settings_of(given)
    start_logging(ROLE)
    if given.step == "init":
        end_tidily()
        found(settings, given.source)
        print(f"kench standby: {settings.data_dir} follows; run `kench standby serve` there")
    elif given.step == "lend":
        _lend(settings)
    elif given.step == "serve":
        _serve(settings, SystemClock())
    elif given.step == "status":
        print(json.dumps(_status(settings.data_dir, SystemClock())))
    elif given.step == "blocks":
        return _blocks(settings, given.from_height, SystemClock(), write=given.write)
    elif given.step == "compare":
        return _compare(settings.data_dir, given.other, as_object=given.json)
    else:
        _tell(settings, promote(settings, SystemClock(), main_is_off=given.main_is_off))
    return 0


def _blocks(settings: Settings, low: int | None, clock: Clock, *, write: bool) -> int:
    """List what blocks of ours no journal here knows; 1 where any stays so."""
    data = settings.data_dir
    if write and (data / FOLLOWING).exists():
        raise RestoreError(f"{data} follows a main machine, whose journal it is: promote it first")
    if not (data / FOLLOWING).exists():
        for folder in journal_folders(data / "journal"):
            # What a dead writer left behind its mark is a share too.
            complete_if_free(folder, clock)
    height, block_at = chain_of([Node(url) for url in node_urls_of(settings)])
    newest = newest_job_height(data)
    if low is None:
        low = max(1, (newest or height) - HEIGHTS_BACK)
    left = 0
    for lost in find_lost(data, range(low, height + 1), block_at, settings.coinbase_tag.encode()):
        kept = "in no journal here"
        if lost.record is None:
            kept += ", and it cannot be made anew: `kench standby compare` with the old machine"
            left += 1
        elif write:
            kept = f"share {write_lost(lost, data, clock)} of journal {lost.instance} now"
        else:
            kept += ": --write, with no front running"
            left += 1
        print(f"block {lost.height} {lost.hash}: {lost.words}; {kept}")
    print(f"kench standby: blocks {low} to {height} looked at, {left} of ours left out")
    return int(left > 0)


def _compare(data: Path, other: Path, *, as_object: bool) -> int:
    """Print what differs; 1 where the other folder has what this one has not."""
    comparison = compare(data, other)
    if as_object:
        print(json.dumps(as_json(comparison)))
        return int(comparison.differs)
    for one in comparison.journals:
        print(f"journal {one.instance}: {one.same} shares are the same here and there")
        for first, last in one.missing:
            print(f"  shares {first} to {last} are booked and missing here")
        for where, beyond in (("there", one.there), ("here", one.here)):
            if beyond is not None:
                _tell_beyond(where, beyond)
    for name in comparison.blocks:
        height, _, block_hash = name.partition("-")
        print(f"block found there since: height {int(height)} {block_hash}")
    print("the other folder has what this one has not" if comparison.differs
          else "the other folder has nothing that this one has not")  # fmt: skip
    return int(comparison.differs)


def _tell_beyond(where: str, beyond: Beyond) -> None:
    print(
        f"  only {where}: {beyond.shares} shares, numbers {beyond.first} to {beyond.last}, of "
        f"{moment_text(beyond.first_us)} to {moment_text(beyond.last_us)}; at "
        f"least {beyond.answered} acknowledged"
    )
    for participant, (shares, work) in beyond.by_participant.items():
        print(f"    participant {participant}: {shares} shares, work {work}")
    for block_hash in beyond.blocks:
        print(f"    found block {block_hash}")


def _serve(settings: Settings, clock: Clock) -> None:
    data = settings.data_dir
    if not data.is_dir():
        raise RestoreError(f"{data} is not there: make it with `kench standby init`")
    leads = not follows_if_new(data)
    if leads:
        # It led, or leads: it only says so to machines that do not know.
        sys.stderr.write("kench standby: this folder leads; fronts of others are turned away\n")
    stop = _stopped_by_signal()
    server = EmbeddedPostgres(data)
    address = followed_address(data)
    with contextlib.ExitStack() as line:
        if address is not None:
            line.enter_context(reached(data / "postgres", address, tls_of(settings)))
        _follow(settings, clock, server, stop, leads=leads)


def _lend(settings: Settings) -> None:
    stop = _stopped_by_signal()
    cluster = Cluster(settings.data_dir / "postgres", None, READY_S)
    if not cluster.runs:
        raise RestoreError(f"the database of {settings.data_dir} does not run: start `kench up`")
    ready_replica_role(cluster.url())
    relay, at = lend(settings, cluster.socket_directory)
    relay.start()
    announce(ROLE, f"database at {at}")
    announce(ROLE, "ready")
    stop.wait()
    relay.stop()


def _stopped_by_signal() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _follow(
    settings: Settings,
    clock: Clock,
    server: EmbeddedPostgres,
    stop: threading.Event,
    *,
    leads: bool,
) -> None:
    held = server.exists
    if held:
        server.start()
    data = settings.data_dir
    receiver = Receiver(data, settings.standby_listen, tls_of(settings), clock, leads=leads)
    receiver.start()
    announce(ROLE, f"journals at {receiver.address[0]}:{receiver.address[1]}")
    announce(ROLE, "ready")
    revived = clock.monotonic()
    try:
        while not stop.wait(LOOK_S):
            receiver.look()
            if held and clock.monotonic() - revived > REVIVE_S:
                revived = clock.monotonic()
                server.start()
    finally:
        receiver.stop()
        server.stop(spare_clients=True)


def _status(data: Path, clock: Clock) -> dict[str, object]:
    journals, now_us = [], clock.now_us()
    database = streamed(data)
    for folder in journal_folders(data / "journal"):
        mark, told = read_mark(folder), read_told(data, int(folder.name))
        journals.append(
            {
                "instance": int(folder.name),
                "records": mark.records,
                "complete_up_to": moment_text(mark.watermark_us),
                "main_has": told.durable,
                "heard": moment_text(told.heard_us),
                "heard_s": _ago_s(told.heard_us, now_us),
                "synchronous": told.is_sync,
            }
        )
    return {
        "generation": read_generation(data),
        "follows": (data / FOLLOWING).exists(),
        "journals": journals,
        "database": database and {
            "connected": database.connected,
            "heard_s": _ago_s(database.heard_us, now_us),
            "unplayed_bytes": database.unplayed_bytes,
            "unplayed_s": round(database.unplayed_s, 3),
        },
    }  # fmt: skip


def _ago_s(at_us: int, now_us: int) -> float | None:
    return round((now_us - at_us) / 1_000_000, 3) if at_us else None


def _tell(settings: Settings, promoted: Promoted) -> None:
    for one in promoted.journals:
        mode = "synchronously" if one.told.is_sync else "asynchronously"
        heard = moment_text(one.told.heard_us) if one.told.heard_us else "never"
        last = moment_text(one.last_us) if one.last_us else "none"
        print(
            f"journal {one.instance}: {one.records} shares, the last of {last}; shipped {mode}, "
            f"main machine heard last {heard}"
        )
        if one.lost:
            print(
                f"journal {one.instance}: {one.lost} shares that the books have are not here: find "
                "the old main machine's files (docs/backup.md)"
            )
    lost = sum(one.lost for one in promoted.journals)
    settled = "no database here" if promoted.totals is None else (
        f"{sum(promoted.totals.positions.values())} shares and {promoted.totals.transfers} "
        "transfers booked"
    )  # fmt: skip
    print(
        f"kench standby: {settings.data_dir} leads as generation {promoted.generation} after "
        f"{promoted.took_s:.2f} s; {settled}, {lost} known to be lost\n"
        "before miners come: `kench standby blocks --write` finds blocks of the last moment"
    )


if __name__ == "__main__":
    run_root(ROLE, main)

"""`kench reload`: new settings and new code for `kench stratum`, and no miner turned away."""

import os
import signal
import sys
import threading
from pathlib import Path

from kench.pool.clock import Clock, SystemClock
from kench.pool.errors import KenchError
from kench.pool.reload_progress import Progress, Stage, maker_pid, read_progress
from kench.pool.roots import command, run_root, settings_of

ROLE = "reload"
LOOK_S = 0.1
# A job maker that does not begin within this time does not know the signal.
BEGIN_LIMIT_S = 15.0
WORDS = {
    Stage.REHEARSING: "settings and code are tried",
    Stage.STARTING: "new processes are started",
    Stage.DRAINING: "new processes serve, the old ones let go of their connections",
    Stage.DONE: "reloaded",
}


class NotRunningError(KenchError):
    """There is nothing to reload."""


class ReloadError(KenchError):
    """The reload failed; what served before serves on."""


def main() -> int:
    """Reload and wait for its end; status 1 where it failed."""
    parser = command(
        ROLE,
        "Give a running `kench stratum` new settings and new code while miners mine on.",
        example="kench reload --data /var/lib/kench",
    )
    settings = settings_of(parser.parse_args())
    return _reload(settings.run_directory, SystemClock())


def _reload(run_directory: Path, clock: Clock) -> int:
    pid = maker_pid(run_directory)
    if pid is None:
        raise NotRunningError(
            f"no `kench stratum` works in {run_directory.parent}: name its folder with --data"
        )
    before = read_progress(run_directory)
    if before is not None and before.pid == pid and not before.is_over:
        raise ReloadError("a reload is under way already: wait for its end")
    os.kill(pid, signal.SIGHUP)
    begun, deadline = before, clock.monotonic() + BEGIN_LIMIT_S
    shown: Progress | None = None
    pause = threading.Event()
    while True:
        pause.wait(LOOK_S)
        begun = read_progress(run_directory)
        if begun is None or begun == before or begun.pid != pid:
            if clock.monotonic() > deadline:
                raise ReloadError(f"`kench stratum` (process {pid}) does not begin: see its log")
        elif begun != shown:
            _show(begun, shown)
            shown = begun
        if not _lives(pid):
            raise ReloadError("`kench stratum` ended: see its log")
        if shown is not None and shown.is_over:
            break
    if shown.stage is Stage.FAILED:
        raise ReloadError(f"{shown.why} (nothing changed: what served before serves on)")
    return 0


def _show(progress: Progress, before: Progress | None) -> None:
    if before is None or before.stage is not progress.stage:
        if progress.stage in WORDS:
            print(WORDS[progress.stage], flush=True)
    elif sys.stdout.isatty():
        print(f"{progress.connections} connections left", flush=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    run_root(ROLE, main)

"""How far a reload is: a small file in DATA/run that the job maker writes for `kench reload`."""

import enum
import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "reload.json"
# Each generation of fronts has one of these, locked by the job maker, whose process it names.
LOCK_NAMES = ("stratum-0.lock", "stratum-1.lock")


class Stage(enum.StrEnum):
    """Where a reload stands."""

    REHEARSING = "rehearsing"  # settings and code are tried in a process of their own
    STARTING = "starting"  # new fronts are being started, the old ones serve
    DRAINING = "draining"  # new fronts serve, the old ones let go of their connections
    DONE = "done"
    FAILED = "failed"  # the old fronts serve on; `why` says what is wrong


@dataclass(frozen=True, slots=True)
class Progress:
    """One moment of the newest reload."""

    number: int
    stage: Stage
    pid: int
    connections: int = 0
    """Connections that the old fronts still have."""
    why: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.stage in {Stage.DONE, Stage.FAILED}


def write_progress(run_directory: Path, progress: Progress) -> None:
    """Replace the file at once."""
    partial = run_directory / f"{NAME}.partial"
    partial.write_text(json.dumps(asdict(progress)), encoding="utf-8")
    partial.replace(run_directory / NAME)


def read_progress(run_directory: Path) -> Progress | None:
    """Return the newest reload's progress; None where there was none."""
    try:
        content = json.loads((run_directory / NAME).read_text(encoding="utf-8"))
        return Progress(**content | {"stage": Stage(content["stage"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def maker_pid(run_directory: Path) -> int | None:
    """Return the process of the job maker that works in a data folder; None where there is none."""
    for name in LOCK_NAMES:
        try:
            descriptor = os.open(run_directory / name, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(json.loads(os.pread(descriptor, 4096, 0))["pid"])
        finally:
            os.close(descriptor)
    return None

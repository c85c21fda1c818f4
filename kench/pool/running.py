"""What a running `kench up` tells the other commands of its data folder: `DATA/run/up.json`.

No secret is in it: the embedded node is named by its cookie file. A record whose process is gone
(it was killed) counts as none.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

RECORD_NAME = "up.json"


@dataclass(frozen=True, slots=True)
class Running:
    """Where the parts of a running `kench up` answer."""

    pid: int
    node_url: str | None
    """`http://127.0.0.1:PORT?cookie=PATH` of the embedded node; None with nodes of others."""
    node_zmq: str | None
    """`tcp://127.0.0.1:PORT` of the embedded node."""
    stratum_url: str
    """`stratum+tcp://HOST:PORT` for miners."""
    metrics_url: str
    """`http://HOST:PORT` of `/metrics`, `/healthz`, `/status`."""


def write_running(run_directory: Path, running: Running) -> None:
    """Leave the record; readers see the old one or the new one whole."""
    path = run_directory / RECORD_NAME
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(running)) + "\n")
    fresh.replace(path)


def forget_running(run_directory: Path) -> None:
    """Take the record away: nothing runs any more."""
    (run_directory / RECORD_NAME).unlink(missing_ok=True)


def read_running(run_directory: Path) -> Running | None:
    """Return the record of a `kench up` that is alive, else None."""
    try:
        running = Running(**json.loads((run_directory / RECORD_NAME).read_text()))
        os.kill(running.pid, 0)
    except PermissionError:
        return running  # another user's process: alive
    except (FileNotFoundError, ProcessLookupError, ValueError, TypeError):
        return None
    return running

"""What `kench up` tells the other commands of its data folder, in `DATA/run`.

`up.json` stands while it runs and holds no secret: the embedded node is named by its cookie file. A
record whose process is gone (it was killed) counts as none. `nodes.json` stays: the nodes of
others that the folder's pool works with, for its owner's eyes only, since URLs hold passwords.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kench.pool.settings import Settings
from kench.pool.venue_settings import VenueKind, VenueSettings

RECORD_NAME = "up.json"
NODES_NAME = "nodes.json"
PAPER_NAME = "paper"
"""Name of the paper venue in the orders that `kench up` makes."""


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
    doors: dict[str, str] = field(default_factory=dict)
    """Each door's name and URL; the first is that of `stratum_url`."""
    venue_url: str | None = None
    """`http://127.0.0.1:PORT` of the paper venue; None where others are sold on."""
    cabinet_url: str | None = None
    """What browsers call the cabinet."""


def write_running(run_directory: Path, running: Running) -> None:
    """Leave the record; readers see the old one or the new one whole."""
    path = run_directory / RECORD_NAME
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(running)) + "\n")
    fresh.replace(path)


def keep_private(path: Path, record: dict[str, Any]) -> None:
    """Keep a record that only the owner of the folder may read."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(record, file)
    fresh.replace(path)


def keep_node_urls(run_directory: Path, urls: Sequence[str]) -> None:
    """Keep the URLs of the nodes of others; none of them: the embedded node serves."""
    if urls:
        keep_private(run_directory / NODES_NAME, {"urls": list(urls)})
    else:
        (run_directory / NODES_NAME).unlink(missing_ok=True)


def read_node_urls(run_directory: Path) -> list[str]:
    """Return the URLs that the last `kench up` on nodes of others kept, if any."""
    try:
        urls = json.loads((run_directory / NODES_NAME).read_text())["urls"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return []
    return [str(url) for url in urls]


def node_urls_of(settings: Settings) -> list[str]:
    """Return the URLs of a pool's nodes as far as its folder knows: maybe none.

    Those of the settings, else those that `kench up` was given, else that of its embedded node
    while it runs.
    """
    urls = [url.get_secret_value() for url in settings.node_urls]
    urls = urls or read_node_urls(settings.run_directory)
    if not urls:
        running = read_running(settings.run_directory)
        urls = [running.node_url] if running and running.node_url else []
    return urls


def venues_of(settings: Settings) -> tuple[VenueSettings, ...]:
    """Return the venues that a pool sells on: those of the settings, else a running paper venue."""
    if settings.venues:
        return settings.venues
    running = read_running(settings.run_directory)
    if running is None or running.venue_url is None:
        return ()
    return (paper_venue(running.venue_url, settings.venue_key_path),)


def paper_venue(url: str, key_file: Path) -> VenueSettings:
    """Return the entry of `venues` for a paper venue."""
    return VenueSettings(name=PAPER_NAME, kind=VenueKind.PAPER, url=url, key_file=key_file)


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

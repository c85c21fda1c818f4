"""Where a front process stands: what its job maker decided for it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """The ports of its doors, in the order of the settings, and the way to its job maker."""

    ports: tuple[int, ...]
    feed_path: Path
    maker_pid: int

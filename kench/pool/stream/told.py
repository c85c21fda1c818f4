"""What the stream was told of a journal here: a file beside it, since the cluster may be away."""

import enum
from pathlib import Path

from kench.pool.durable import write_durably

TOLD_NAME = "streamed"


class Told(enum.Enum):
    """The writer's last word to the stream."""

    NOTHING = ""
    BEGINNING = "beginning"
    BEGAN = "began"  # the centre waits for this journal, and its time does not pass without it
    ENDING = "ending"  # the end is on its way, or was


def read_told(directory: Path) -> Told:
    """Return what was told; nothing where no such file can be read."""
    try:
        return Told((directory / TOLD_NAME).read_text().strip())
    except (FileNotFoundError, ValueError):
        return Told.NOTHING


def write_told(directory: Path, told: Told) -> None:
    """Keep what is told, to outlive a power cut."""
    if told is Told.NOTHING:
        (directory / TOLD_NAME).unlink(missing_ok=True)
    else:
        write_durably(directory / TOLD_NAME, f"{told.value}\n".encode())

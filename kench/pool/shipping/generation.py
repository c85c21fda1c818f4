"""Which machine leads: a number in each data folder, one higher on the standby that was promoted.

DATA/generation   the number; 1 where there is no such file
DATA/replaced     the higher number that this folder's machine has heard of: it serves no more
"""

from pathlib import Path

import structlog

from kench.pool.durable import write_durably
from kench.pool.errors import KenchError

GENERATION_NAME, REPLACED_NAME = "generation", "replaced"
FIRST_GENERATION = 1

log = structlog.get_logger("lead")


class ReplacedError(KenchError):
    """Another machine leads this pool now."""


class GenerationError(KenchError):
    """A file that says which machine leads cannot be read."""


def read_generation(data: Path) -> int:
    """Return the generation of a data folder; raises GenerationError."""
    return _read(data / GENERATION_NAME) or FIRST_GENERATION


def write_generation(data: Path, generation: int) -> None:
    """Set the generation of a data folder, to outlive a power cut."""
    write_durably(data / GENERATION_NAME, f"{generation}\n".encode())


def note_replaced(data: Path, generation: int) -> ReplacedError:
    """Keep what was heard, and return the fault to raise.

    A process that may not write there, or has no room, ends all the same: it asks again when it is
    started, and one that may write keeps it for all.
    """
    try:
        write_durably(data / REPLACED_NAME, f"{generation}\n".encode())
    except OSError as error:
        log.warning("that this machine was replaced is not kept in its folder", why=str(error))
    return _fault(data, generation)


def refuse_if_replaced(data: Path) -> None:
    """Raise ReplacedError where this folder's machine was told that another leads."""
    heard = heard_generation(data)
    if heard is not None:
        raise _fault(data, heard)


def heard_generation(data: Path) -> int | None:
    """Return the higher generation that this folder's machine has heard of; None where none."""
    heard = _read(data / REPLACED_NAME)
    return heard if heard is not None and heard > read_generation(data) else None


def _fault(data: Path, generation: int) -> ReplacedError:
    return ReplacedError(
        f"the standby leads this pool now (generation {generation}; {data} has "
        f"{read_generation(data)}): serve nobody here; make this machine its standby with "
        "`kench standby init` into a new folder (docs/backup.md)"
    )


def _read(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as broken:
        raise GenerationError(f"{path} cannot be read: it holds one number") from broken

"""Memory of processes as Linux counts it, what they share by its part or in full."""

import contextlib
import os
from pathlib import Path

KIB = 1024
ENDED = (FileNotFoundError, ProcessLookupError)


def proportional_bytes(pid: int, *kinds: str) -> int:
    """Return a process's memory, all of it or of these kinds: `Anon`, `File`, `Shmem`.

    What it shares counts by its part. 0 for one that ended.
    """
    names = tuple(f"Pss_{kind}:" for kind in kinds) or ("Pss:",)
    with contextlib.suppress(*ENDED):
        return _told(pid, "smaps_rollup", *names)
    return 0


def resident_bytes(pid: int) -> int:
    """Return the memory that a process holds, what it shares in full."""
    return _told(pid, "status", "VmRSS:")


def peak_bytes(pid: int) -> int:
    """Return the most that a process held so far, what it shares in full; 0 for one that ended."""
    with contextlib.suppress(*ENDED):
        return _told(pid, "status", "VmHWM:")
    return 0


class Peak:
    """What this process needed at most since it was begun, over what it held then."""

    def __init__(self) -> None:
        # Linux forgets the most so far: proc(5), clear_refs.
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self._held = resident_bytes(os.getpid())

    def bytes(self) -> int:
        """Return it, until now."""
        return peak_bytes(os.getpid()) - self._held


def _told(pid: int, file: str, *names: str) -> int:
    lines = Path(f"/proc/{pid}/{file}").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) * KIB for line in lines if line.startswith(names))

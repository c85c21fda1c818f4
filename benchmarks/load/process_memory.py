"""Memory of processes, what they share with others by its part, as Linux counts it."""

import contextlib
from pathlib import Path

KIB = 1024


def proportional_bytes(pid: int, *kinds: str) -> int:
    """Return a process's memory, all of it or of these kinds: `Anon`, `File`, `Shmem`.

    0 for one that ended.
    """
    names = tuple(f"Pss_{kind}:" for kind in kinds) or ("Pss:",)
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        return sum(int(line.split()[1]) * KIB for line in lines if line.startswith(names))
    return 0


class Peak:
    """What this process needed at most since it was begun, over what it held then."""

    def __init__(self) -> None:
        # Linux forgets the most so far: proc(5), clear_refs.
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self._held = _status_bytes("VmRSS:")

    def bytes(self) -> int:
        """Return it, until now."""
        return _status_bytes("VmHWM:") - self._held


def _status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * KIB for line in lines if line.startswith(name))

"""A backup gives way: to miners' shares on the processor, and to their journal on the disk."""

import contextlib
import ctypes
import os
import platform

NICENESS = 15
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_WHO_PROCESS, _BEST_EFFORT_LAST = 1, (2 << 13) | 7


def give_way() -> None:
    """Lower this process's priority, and so that of the programs it will start."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        ctypes.CDLL(None).syscall(number, _WHO_PROCESS, 0, _BEST_EFFORT_LAST)

"""Arithmetic, share records and their counting, gate, wires, sending: compiled, or the twin.

The twin is the specification; the compiled code equals it on every input. Which one serves is
chosen once, here: KENCH_NATIVE_DISABLE=1 takes the twin, KENCH_NATIVE_REQUIRE=1 refuses it, and
with neither the twin steps in where nothing was compiled.
"""

import os
from typing import TYPE_CHECKING, Final

from kench.native.twin_table import FLAG_BLOCK, FLAG_UNCREDITED, RECORD_SIZE
from kench.native.verdicts import Verdict

__all__ = [
    "FLAG_BLOCK",
    "FLAG_UNCREDITED",
    "IMPLEMENTATION",
    "RECORD_SIZE",
    "Gate",
    "Job",
    "JobTable",
    "NativeMissingError",
    "Outbox",
    "RecordBuffer",
    "Replies",
    "ShareCounts",
    "Verdict",
    "Wire",
    "crc32",
    "merkle_branches",
    "merkle_root",
    "reply",
    "require_compiled",
    "scan_nonces",
    "send_to_each",
    "sha256_backend",
    "sha256d",
    "whole_records",
]


class NativeMissingError(RuntimeError):
    """Native code is required and was not compiled."""


def _choose_compiled() -> bool:
    """Read the two environment variables and look whether compiled code is there."""
    disable = os.environ.get("KENCH_NATIVE_DISABLE") == "1"
    require = os.environ.get("KENCH_NATIVE_REQUIRE") == "1"
    if disable and require:
        msg = "KENCH_NATIVE_DISABLE and KENCH_NATIVE_REQUIRE contradict each other: unset one"
        raise ValueError(msg)
    if disable:
        return False
    try:
        import kench.native._gate  # noqa: F401, PLC0415 - only this tells a missing build
    except ModuleNotFoundError as missing:
        # Anything but an absent build is a broken one and must be seen.
        if not (missing.name or "").startswith("kench.native._"):
            raise
        if require:
            raise NativeMissingError(_MISSING) from missing
        return False
    return True


_MISSING: Final = "native code is not compiled: run: make build"
IMPLEMENTATION: Final = "cython" if _choose_compiled() else "python"

if TYPE_CHECKING or IMPLEMENTATION == "cython":
    from kench.native._arithmetic import (
        crc32,
        merkle_branches,
        merkle_root,
        scan_nonces,
        sha256_backend,
        sha256d,
    )
    from kench.native._counting import ShareCounts, whole_records
    from kench.native._gate import Gate, reply
    from kench.native._sending import send_to_each
    from kench.native._table import Job, JobTable, RecordBuffer
    from kench.native._wire import Outbox, Replies, Wire
else:
    from kench.native.twin import (
        crc32,
        merkle_branches,
        merkle_root,
        scan_nonces,
        sha256_backend,
        sha256d,
    )
    from kench.native.twin_counting import ShareCounts, whole_records
    from kench.native.twin_gate import Gate, reply
    from kench.native.twin_sending import send_to_each
    from kench.native.twin_table import Job, JobTable, RecordBuffer
    from kench.native.twin_wire import Outbox, Replies, Wire


def require_compiled() -> None:
    """Raise NativeMissingError unless compiled code serves; production roots call this first."""
    if IMPLEMENTATION != "cython":
        raise NativeMissingError(_MISSING)

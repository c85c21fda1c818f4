"""The compiled gate and its twin side by side: told the same, they must answer the same."""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

from kench.native import twin, twin_gate, twin_table, twin_wire

try:
    from kench.native import _arithmetic, _gate, _table, _wire
except ModuleNotFoundError:  # nothing is compiled: the twin is held against itself
    COMPILED = False
    _arithmetic, _gate, _table, _wire = twin, twin_gate, twin_table, twin_wire
else:
    COMPILED = True

ANY_HASH = b"\xff" * 32
NO_HASH = bytes(32)
HALF = (2**255).to_bytes(32, "little")
QUARTER = (2**254).to_bytes(32, "little")
NOW_S = 0x66AABBCC
NOW_US = NOW_S * 1_000_000
NAME = b"17.rig"

SPECIFICATION = SimpleNamespace(**vars(twin) | vars(twin_table) | vars(twin_gate) | vars(twin_wire))
COMPILATION = SimpleNamespace(**vars(_arithmetic) | vars(_table) | vars(_gate) | vars(_wire))
TWINS = (SPECIFICATION, COMPILATION)


def outcome(call: Callable[..., object], *args: object) -> object:
    """Return what a call returned, or the type and words of the error it raised."""
    try:
        return call(*args)
    except (TypeError, ValueError, OverflowError) as error:
        return type(error), str(error)


@cache
def jobs(  # noqa: PLR0913, PLR0917 - what distinguishes one job from another here
    key: int, block_target_le: bytes, version: int, ntime: int, branches: int, extranonce2_size: int
) -> tuple[Any, Any]:
    """Return one job of each twin; they are read only, so inputs may share them."""
    first, second = (
        native.Job(
            key,
            b"%020d" % key + b"\x01" * 40,
            b"\x02" * 40,
            b"\x03" * 32 * branches,
            b"\x04" * 32,
            version,
            0x1702F1A5,
            ntime,
            NOW_S - 600,
            block_target_le,
            extranonce2_size,
        )
        for native in TWINS
    )
    return first, second


class Pair:
    """Two tables, buffers of records and gates, a miner's name allowed and a job known to each."""

    def __init__(self, extranonce1: bytes = b"\xaa\xbb\xcc\xdd") -> None:
        self.tables = [native.JobTable(4, 5) for native in TWINS]
        self.records = [native.RecordBuffer(8, 40) for native in TWINS]
        self.gates = [
            native.Gate(table, records, extranonce1, 3)
            for native, table, records in zip(TWINS, self.tables, self.records, strict=True)
        ]
        self.both(self.gates, "allow", NAME, 17, 5)
        self.both(self.gates, "set_difficulty", 1.0, ANY_HASH, 1)
        self.add(1)

    def add(self, key: int, target_le: bytes = NO_HASH, *facts: int) -> None:
        """Add a job to both tables; `facts` are version, ntime, branches, extranonce2_size."""
        facts = facts or (0x20000000, NOW_S, 1, 8)
        pair = jobs(key, target_le, *facts)
        results = [outcome(table.add, job) for table, job in zip(self.tables, pair, strict=True)]
        assert results[1] == results[0]

    def both(self, parts: list[Any], method: str, *args: object) -> Any:
        """Call both and return the one outcome."""
        expected, got = (outcome(getattr(part, method), *args) for part in parts)
        assert got == expected, (method, args, expected, got)
        return expected

    def check(self) -> None:
        """Hold everything that can be seen from outside against each other."""
        looks = [
            (
                *(gate.names, gate.accepted, gate.refused),
                *(len(records), records.next_sequence, records.full, len(table)),
                *(table.candidates, table.tally),
            )
            for gate, records, table in zip(self.gates, self.records, self.tables, strict=True)
        ]
        assert looks[1] == looks[0]

    def end(self) -> None:
        """Compare what was recorded, listed and counted."""
        self.check()
        self.both(self.records, "take")
        self.both(self.tables, "take_candidates")
        self.both(self.tables, "take_tally")

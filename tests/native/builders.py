"""Jobs, gates and submit lines for the tests of kench.native, and the vectors they are held to."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

VECTORS = json.loads(
    (Path(__file__).parent.parent / "vectors" / "native-headers.json").read_text(encoding="utf-8")
)
ANY_HASH = b"\xff" * 32  # every hash meets this target
NO_HASH = bytes(32)  # none does
NOW_S = 0x66AABBCC
NOW_US = NOW_S * 1_000_000
NAME = b"17.rig"


def from_wire_prevhash(text: str) -> bytes:
    """Internal bytes of a prevhash as mining.notify writes it: each 4-byte word reversed."""
    wire = bytes.fromhex(text)
    return b"".join(wire[start : start + 4][::-1] for start in range(0, 32, 4))


def a_job(native: SimpleNamespace, job_key: int = 1, **changes: object) -> Any:
    """A job with two branches that no hash makes a block, unless ``changes`` say otherwise."""
    fields: dict[str, object] = {
        "job_key": job_key,
        # No two jobs are alike, so no two shares of different jobs have one hash.
        "coinb1": b"%020d" % hash(job_key) + b"\x01" * 70,
        "coinb2": b"\x02" * 70,
        "branches": b"\x03" * 64,
        "prevhash_le": b"\x04" * 32,
        "version": 0x20000000,
        "nbits": 0x1702F1A5,
        "ntime": NOW_S,
        "mintime": NOW_S - 600,
        "block_target_le": NO_HASH,
    }
    return native.Job(**(fields | changes))


class Bench:
    """One connection's gate with its table and records, ready to accept any hash for job 1."""

    def __init__(
        self, native: SimpleNamespace, *, duplicates_max: int = 1000, capacity: int = 1000
    ) -> None:
        self.native = native
        self.table = native.JobTable(64, duplicates_max)
        self.records = native.RecordBuffer(capacity, 0)
        self.gate = native.Gate(self.table, self.records, b"\xaa\xbb\xcc\xdd")
        self.gate.allow(NAME, 17, 5)
        self.gate.set_mask(0x1FFFE000)
        self.gate.set_difficulty(1.0, ANY_HASH, 1)
        self.table.add(a_job(native))

    def submit(self, **changes: object) -> Any:
        """Submit a good share of job 1, but for ``changes``."""
        return self.gate.submit(**(good_share() | changes))


def good_share() -> dict[str, object]:
    """What Bench's gate accepts once."""
    return {
        "name": NAME,
        "job_id": b"1",
        "extranonce2": b"0000000000000001",
        "ntime": b"%08x" % NOW_S,
        "nonce": b"00002d52",
        "version_bits": None,
        "now_us": NOW_US,
    }


def a_line(nonce: int = 0, token: int = 4, params: int = 6, job_id: str = "1") -> bytes:
    """One plain submit line as cgminer writes it."""
    words = [NAME.decode(), job_id, "0000000000000001", f"{NOW_S:08x}", f"{nonce:08x}", "00c00000"]
    message = {"params": words[:params], "id": token, "method": "mining.submit"}
    return json.dumps(message).encode() + b"\n"


def outcome(call: Callable[..., object], *args: object, **named: object) -> object:
    """What a call returned, or the type and words of the error it raised."""
    try:
        return call(*args, **named)
    except (TypeError, ValueError, OverflowError) as error:
        return type(error), str(error)

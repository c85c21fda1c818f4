"""A proof, alone or with shares, holds as it was made or is refused by name, whoever signed it.

Inputs are a true file after damage: bytes changed, or values in it, then signed anew by its key.
"""

import copy
import hashlib
import io
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from fuzz.source import Source
from kench.payouts.proofs.canonical import encode
from kench.payouts.proofs.errors import ProofRefusedError
from kench.payouts.proofs.own_shares import check_file, write_file
from tests.payouts.journals import JournalBuilder
from tests.payouts.proofs.samples import KEY, proof_of

EXECUTIONS = 20
LENGTH_MAX = 64
SHARES = 3
_INSTANCE = 1  # whose window in the sample begins with its first share
_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2, 77, 2**32, 2**63, 2**63 - 1, 10**30, "", "0", "00", "1", "ff" * 32,
    "0" * 64, "9" * 78, "ff" * 64, "\u0000", "zz", "AAAA", [], {}, [[]], [{}], {"a": 1},
    ["0"] * 300,
)  # fmt: skip


@cache
def _file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        journal = JournalBuilder(Path(folder) / "journal", _INSTANCE)
        job = journal.job(1, 850_001)
        for _ in range(SHARES):
            journal.share(job, participant=4)
        journal.close()
    proof = proof_of({4: (SHARES, 10**6), 9: (5, 10**7), 16: (2**70, 10**8)}, 4)
    file = io.BytesIO()
    records = journal.array()
    write_file(file, proof, [(_INSTANCE, records)], journal.job_of, KEY)
    return file.getvalue()


def check(data: bytes) -> None:
    """Hold the damaged file to the invariant."""
    source, true = Source(data), _file()
    if source.below(3):
        damaged = _changed_values(source, true)
        is_true = False
    else:
        damaged = _changed_bytes(source, true)
        is_true = damaged in {true, true.splitlines(keepends=True)[0]}
    try:
        checked = check_file(io.BytesIO(damaged))
    except ProofRefusedError:
        assert not is_true
        return
    if damaged.startswith(true.splitlines()[0]):
        assert checked.proof.reward_sat == 10**6
        assert checked.shares in {None, SHARES}


def _changed_bytes(source: Source, true: bytes) -> bytes:
    raw = bytearray(true)
    for _ in range(source.below(4)):
        at = source.number(2) % len(raw)
        match source.below(4):
            case 0:
                raw[at] = source.byte()
            case 1:
                del raw[at : at + 1 + source.byte()]
            case 2:
                raw[at:at] = source.raw(4)
            case _:
                del raw[at:]
        if not raw:
            break
    return bytes(raw)


def _changed_values(source: Source, true: bytes) -> bytes:
    """Change up to three values anywhere, then have the pool's own key sign what was made."""
    lines: list[Any] = [json.loads(line) for line in true.splitlines()]
    for _ in range(1 + source.below(3)):
        place: Any = lines
        key: Any = source.below(len(lines))
        while isinstance(place[key], dict | list) and place[key] and not source.once_in(12):
            place = place[key]
            key = (
                source.pick(sorted(place))
                if isinstance(place, dict)
                else source.below(min(256, len(place)))
            )
        place[key] = copy.deepcopy(source.pick(_ODD))
    try:
        if isinstance(lines[0], dict) and "manifest" in lines[0]:
            lines[0]["signature"] = KEY.sign(encode(lines[0]["manifest"])).hex()
        raw = b"".join(encode(line) + b"\n" for line in lines[:-1])
        end = lines[-1]
        if isinstance(end, dict) and source.below(2):
            end = {"kench_shares": 1, "sha256": hashlib.sha256(raw).hexdigest(), "shares": SHARES}
            end["signature"] = KEY.sign(encode(end)).hex()
        return raw + encode(end) + b"\n"
    except ValueError:  # text that is none cannot be written
        return true

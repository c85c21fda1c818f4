"""What the coinbase of a found block pays, read from its own bytes, and its txid."""

import numpy as np

from kench.native import sha256d
from kench.pool.bitcoin import hash_hex
from kench.pool.coinbase import EXTRANONCE1_SIZE, Output
from kench.pool.journal.archive import ArchivedJob

_INPUT_TAIL_BYTES = 4
"""After its script an input has a sequence."""


def coinbase_txid_of(job: ArchivedJob, record: np.void) -> str:
    """Return the txid of the coinbase that a SHARE record of this job stands for."""
    extranonces = record["extranonce1"].tobytes() + record["extranonce2"].tobytes()
    return hash_hex(sha256d(job.coinb1 + extranonces + job.coinb2))


def outputs_of(job: ArchivedJob) -> list[Output]:
    """Return the outputs of a job's coinbase in their order, those of 0 satoshi too.

    The hash of every share, and so of a block, commits to these bytes. Raises ValueError or
    IndexError where they are no transaction with one input.
    """
    raw = job.coinb1 + bytes(EXTRANONCE1_SIZE + job.extranonce2_size) + job.coinb2
    inputs, position = _compact_size(raw, 4)
    if inputs != 1:
        raise ValueError("a coinbase has one input")
    script_bytes, after = _compact_size(raw, position + 36)
    count, position = _compact_size(raw, after + script_bytes + _INPUT_TAIL_BYTES)
    outputs = []
    for _ in range(count):
        amount_sat = int.from_bytes(raw[position : position + 8], "little")
        script_bytes, position = _compact_size(raw, position + 8)
        outputs.append(Output(raw[position : position + script_bytes], amount_sat))
        position += script_bytes
    if position + 4 != len(raw):
        raise ValueError("a transaction ends with its lock time")
    return outputs


def _compact_size(raw: bytes, position: int) -> tuple[int, int]:
    """Return a CompactSize and the position after it."""
    first = raw[position]
    if first < 0xFD:
        return first, position + 1
    size = 1 << (first - 0xFC)
    return int.from_bytes(raw[position + 1 : position + 1 + size], "little"), position + 1 + size

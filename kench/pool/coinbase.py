"""The coinbase transaction: two halves around the extranonce, and the whole with its witness."""

from collections.abc import Sequence
from dataclasses import dataclass

from kench.pool.bitcoin import compact_size, push_data, push_height
from kench.pool.errors import KenchError

EXTRANONCE1_SIZE = 4
EXTRANONCE2_SIZE = 8
# An extranonce1 is a little-endian number: a counter in so many low bits, above it the number of
# the front that gave it, which is that of its journal.
EXTRANONCE1_COUNTER_BITS = 20
# Stock Antminer firmware of the first generations takes no more (A7.8).
MAX_COINBASE_BYTES = 750
MAX_TAG_BYTES = 32
KEY_BYTES = 8
_SCRIPT_SIG_MAX = 100
_VERSION = (2).to_bytes(4, "little")
_NULL_OUTPOINT = bytes(32) + b"\xff\xff\xff\xff"
_SEQUENCE = b"\xff\xff\xff\xff"
_LOCKTIME = bytes(4)
# One stack item of 32 zero bytes: the witness reserved value (BIP141, B13).
_WITNESS = b"\x01\x20" + bytes(32)


class CoinbaseError(KenchError):
    """A coinbase cannot be built from what the settings and the template say."""


@dataclass(frozen=True, slots=True)
class Output:
    """One payment of the coinbase."""

    script: bytes
    amount_sat: int


def coinbase_halves(  # noqa: PLR0913, PLR0917 - the facts that a coinbase states
    height: int,
    outputs: Sequence[Output],
    witness_commitment: bytes | None,
    job_key: int,
    tag: bytes = b"",
    flags: bytes = b"",
) -> tuple[bytes, bytes]:
    """Return `coinb1` and `coinb2`, serialized without witness (A7.10, A7.11).

    Between them go 4 bytes of extranonce1 and 8 of extranonce2. The job's key is part of the
    script, so no two jobs share a search space even when their template is the same.
    Raises CoinbaseError where the result would break a rule of size.
    """
    if len(tag) > MAX_TAG_BYTES:
        raise CoinbaseError(f"KENCH_COINBASE_TAG is longer than {MAX_TAG_BYTES} bytes")
    extranonce_size = EXTRANONCE1_SIZE + EXTRANONCE2_SIZE
    head = push_height(height) + flags + push_data(job_key.to_bytes(KEY_BYTES, "big"))
    if tag:
        head += push_data(tag)
    head += bytes([extranonce_size])
    script_size = len(head) + extranonce_size
    if not 2 <= script_size <= _SCRIPT_SIG_MAX:
        raise CoinbaseError(f"a coinbase script of {script_size} bytes is over {_SCRIPT_SIG_MAX}")
    paid = [(output.amount_sat, output.script) for output in outputs]
    if witness_commitment is not None:
        paid.append((0, witness_commitment))
    body = b"".join(
        amount.to_bytes(8, "little") + compact_size(len(script)) + script for amount, script in paid
    )
    coinb1 = _VERSION + b"\x01" + _NULL_OUTPOINT + compact_size(script_size) + head
    coinb2 = _SEQUENCE + compact_size(len(paid)) + body + _LOCKTIME
    if len(coinb1) + extranonce_size + len(coinb2) > MAX_COINBASE_BYTES:
        raise CoinbaseError(
            f"the coinbase would exceed {MAX_COINBASE_BYTES} bytes: pay to fewer scripts"
        )
    return coinb1, coinb2


def with_witness(stripped: bytes) -> bytes:
    """Return a stripped coinbase as a block carries it: marker, flag and witness added (B13)."""
    return stripped[:4] + b"\x00\x01" + stripped[4:-4] + _WITNESS + stripped[-4:]

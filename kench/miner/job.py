"""A job as a miner holds it: from the nine fields of mining.notify to 76 bytes of header."""

from dataclasses import dataclass
from typing import Any

from kench.native import merkle_root, sha256d


@dataclass(frozen=True, slots=True)
class Job:
    """One mining.notify with the extranonce and target that hold for it."""

    job_id: str
    prevhash_le: bytes
    coinb1: bytes
    coinb2: bytes
    branches: bytes
    version: int
    nbits: int
    ntime: int
    extranonce1: bytes
    extranonce2_size: int
    target: int

    @property
    def target_le(self) -> bytes:
        """Target as 32 little-endian bytes, for `scan_nonces`."""
        return self.target.to_bytes(32, "little")

    def header76(self, extranonce2: bytes) -> bytes:
        """Return the header up to the nonce for this extranonce2 (of `extranonce2_size` bytes)."""
        coinbase = self.coinb1 + self.extranonce1 + extranonce2 + self.coinb2
        return b"".join(
            (
                self.version.to_bytes(4, "little"),
                self.prevhash_le,
                merkle_root(sha256d(coinbase), self.branches),
                self.ntime.to_bytes(4, "little"),
                self.nbits.to_bytes(4, "little"),
            )
        )


def parse_notify(params: Any, extranonce1: bytes, extranonce2_size: int, target: int) -> Job:
    """Read the params of mining.notify (A7.1).

    The previous hash comes as eight 32-bit words, each with its bytes reversed. Raises
    ValueError, TypeError or IndexError for anything malformed.
    """
    job_id, prevhash, coinb1, coinb2, branches, version, nbits, ntime = params[:8]
    swapped = bytes.fromhex(prevhash)
    joined = bytes.fromhex("".join(branches))
    if len(swapped) != 32 or len(joined) != 32 * len(branches):
        raise ValueError("a hash of another size than 32 bytes")
    return Job(
        job_id=str(job_id),
        prevhash_le=b"".join(swapped[at : at + 4][::-1] for at in range(0, 32, 4)),
        coinb1=bytes.fromhex(coinb1),
        coinb2=bytes.fromhex(coinb2),
        branches=joined,
        version=_word(version),
        nbits=_word(nbits),
        ntime=_word(ntime),
        extranonce1=extranonce1,
        extranonce2_size=extranonce2_size,
        target=target,
    )


def _word(digits: str) -> int:
    if len(digits) != 8:
        raise ValueError("a 32-bit field of another size than 8 digits")
    return int(digits, 16)

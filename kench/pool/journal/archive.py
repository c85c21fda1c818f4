"""The job archive: what a share record needs beside it to be hashed again by anyone."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kench import native
from kench.pool.bitcoin import hash_hex, hash_le


@dataclass(frozen=True)
class ArchivedJob:
    """One job as the journal keeps it; `prevhash` is in display order, `branches` 32 bytes each."""

    job_key: int
    height: int
    prevhash: str
    version: int
    nbits: int
    ntime: int
    mintime: int
    block_target: int
    coinb1: bytes
    coinb2: bytes
    branches: bytes
    reward_sat: int
    extranonce2_size: int

    def prepare(self) -> native.Job:
        """Return the job as native code judges shares by it."""
        return native.Job(
            self.job_key,
            self.coinb1,
            self.coinb2,
            self.branches,
            hash_le(self.prevhash),
            self.version,
            self.nbits,
            self.ntime,
            self.mintime,
            self.block_target.to_bytes(32, "little"),
            self.extranonce2_size,
        )

    @cached_property
    def _prepared(self) -> native.Job:
        return self.prepare()

    def header(self, record: np.void) -> bytes:
        """Return the 80-byte header that a SHARE record of this job stands for."""
        return self._prepared.header(
            record["extranonce1"].tobytes(),
            record["extranonce2"].tobytes(),
            int(record["ntime"]),
            int(record["nonce"]),
            int(record["version"]),
        )

    def block_hash(self, record: np.void) -> str:
        """Return the hash of a SHARE record of this job, as RPC spells it."""
        return hash_hex(native.sha256d(self.header(record)))

    def line(self) -> bytes:
        """Return the job as one line of the archive: JSON, numbers above 2**53 as hex text."""
        return (
            json.dumps(
                {
                    "job": f"{self.job_key:x}",
                    "height": self.height,
                    "prevhash": self.prevhash,
                    "version": f"{self.version:08x}",
                    "nbits": f"{self.nbits:08x}",
                    "ntime": self.ntime,
                    "mintime": self.mintime,
                    "block_target": f"{self.block_target:064x}",
                    "coinb1": self.coinb1.hex(),
                    "coinb2": self.coinb2.hex(),
                    "branches": self.branches.hex(),
                    "reward_sat": self.reward_sat,
                    "extranonce2_size": self.extranonce2_size,
                },
                separators=(",", ":"),
            ).encode()
            + b"\n"
        )

    @classmethod
    def from_line(cls, line: bytes) -> "ArchivedJob":
        """Read one archive line; raises ValueError or KeyError where it is none."""
        fields: dict[str, Any] = json.loads(line)
        job = cls(
            job_key=int(fields["job"], 16),
            height=fields["height"],
            prevhash=fields["prevhash"],
            version=int(fields["version"], 16),
            nbits=int(fields["nbits"], 16),
            ntime=fields["ntime"],
            mintime=fields["mintime"],
            block_target=int(fields["block_target"], 16),
            coinb1=bytes.fromhex(fields["coinb1"]),
            coinb2=bytes.fromhex(fields["coinb2"]),
            branches=bytes.fromhex(fields["branches"]),
            reward_sat=fields["reward_sat"],
            extranonce2_size=fields["extranonce2_size"],
        )
        try:
            job.prepare()
        except OverflowError as beyond:
            raise ValueError(f"job {job.job_key:x} has a number that no job has") from beyond
        return job

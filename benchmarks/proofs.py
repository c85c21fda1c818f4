"""The tree over a million participants, one proof from it, and a million own shares checked.

    python -m benchmarks.proofs [--participants 1000000] [--shares 1000000]

CPU seconds, and the memory that the process gained at its peak. The shares have one easy difficulty
and true hashes of four jobs. Exit status 1: something takes longer, or more memory, than it is held
to.
"""

import argparse
import hashlib
import io
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.table import Table

from benchmarks.ending import end
from kench.native import crc32
from kench.payouts.proofs.evidence import EvidenceKey
from kench.payouts.proofs.manifest import Block, JournalWindow, Manifest, Reward, sign
from kench.payouts.proofs.own_shares import check_file, write_file
from kench.payouts.proofs.proof import Proof
from kench.payouts.proofs.tree import Leaf, Tree, digest_of_name, salt_of
from kench.payouts.totals import Records
from kench.pool.coinbase import EXTRANONCE2_SIZE, Output, coinbase_halves
from kench.pool.journal.archive import ArchivedJob
from kench.pool.journal.format import NO_DIGEST, SHARE, SegmentDigest
from kench.pool.work import EASIEST_DIFFICULTY, work_of

PARTICIPANTS, SHARES = 1_000_000, 1_000_000
JOBS = 4
CHUNK = 65_536
# A million of each, and as much for each of fewer; a proof is as quick for any number.
HELD_TREE_US, HELD_SHARE_US, HELD_CHECK_S = 20.0, 40.0, 0.05
HELD_BYTES = 600
_SOURCE = bytes(32)
_SCRIPT = b"\x00\x14" + bytes(20)

T = TypeVar("T")


def leaves(count: int, own_work: int) -> Iterator[Leaf]:
    """Yield leaves with names; participant 1 has the work of its shares."""
    for who in range(1, count + 1):
        digest = digest_of_name(salt_of(_SOURCE, who), f"Participant {who}")
        yield Leaf(who, own_work if who == 1 else 2**60 + who, 300, digest)


def made_job(key: int) -> ArchivedJob:
    """Return a job of a large block."""
    coinb1, coinb2 = coinbase_halves(850_000, [Output(_SCRIPT, 1)], None, key, b"/bench/")
    return ArchivedJob(
        job_key=key, height=850_000, prevhash="00" * 32, version=0x2000_0000, nbits=0x207F_FFFF,
        ntime=1_700_000_000, mintime=1_700_000_000, block_target=2**200, coinb1=coinb1,
        coinb2=coinb2, branches=bytes(32) * 12, reward_sat=1, extranonce2_size=EXTRANONCE2_SIZE,
    )  # fmt: skip


def own_shares(count: int) -> Iterator[tuple[int, Records]]:
    """Yield records of participant 1 in journal 0, all of them different, with their checksums."""
    for first in range(0, count, CHUNK):
        records = np.zeros(min(CHUNK, count - first), SHARE)
        records["sequence"] = np.arange(first, first + len(records))
        records["nonce"] = records["sequence"]
        records["job_key"] = 1 + records["sequence"] * JOBS // max(1, count)
        records["participant"] = 1
        records["ntime"], records["version"] = 1_700_000_000, 0x2000_0000
        records["difficulty"] = EASIEST_DIFFICULTY
        raw = records.tobytes()
        size = SHARE.itemsize
        records["crc32"] = [crc32(raw[at + 4 : at + size]) for at in range(0, len(raw), size)]
        yield 0, records


def proof_of(tree: Tree, shares: int, key: EvidenceKey, own_work: int) -> Proof:
    """Sign a manifest of the tree and prove its first leaf."""
    root = tree.root()
    segments = [SegmentDigest(0, shares, "00" * 32, "00" * 32, NO_DIGEST)]
    signed = sign(
        Manifest(
            software="benchmark",
            key=key.public,
            block=Block("00" * 32, 850_000, "00" * 32, 0, shares, 0, credited=True),
            reward=Reward(root.reward_sat, "round", 1, {}),
            cut=None,
            journals=[JournalWindow(0, 0, shares, segments)],
            root=root,
        ),
        key,
    )
    salt = salt_of(_SOURCE, 1)
    return Proof(0, 1, "Participant 1", salt, own_work, 300, tree.path(0), signed)


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what a piece of work gives, and the CPU seconds that it took."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def measure(participants: int, shares: int, file: BinaryIO) -> dict[str, float]:
    """Return the figures."""
    key = EvidenceKey(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"bench").digest()))
    jobs = {number: made_job(number) for number in range(1, JOBS + 1)}
    own_work = shares * work_of(EASIEST_DIFFICULTY)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tree, leaves_s = timed(lambda: Tree(leaves(participants, own_work)))
    _, root_s = timed(tree.root)
    proof, prove_s = timed(partial(proof_of, tree, shares, key, own_work))
    tree_bytes = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    line = proof.line()
    _, check_s = timed(lambda: check_file(io.BytesIO(line)))
    del tree
    own = own_shares(shares)
    _, write_s = timed(lambda: write_file(file, proof, own, lambda _, key: jobs[key], key))
    file.seek(0)
    checked, shares_s = timed(lambda: check_file(file))
    if checked.shares != shares:
        raise AssertionError(f"{checked.shares} of {shares} shares were checked")
    return {
        "leaves_s": leaves_s,
        "root_s": root_s,
        "prove_s": prove_s,
        "tree_mb": tree_bytes / 1e6,
        "proof_bytes": len(line),
        "check_s": check_s,
        "write_shares_s": write_s,
        "check_shares_s": shares_s,
        "shares_mb": file.tell() / 1e6,
    }


def main(words: list[str] | None = None) -> int:
    """Measure, print, and say whether all is as fast and as small as it is held to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.proofs",
        description="Measure trees, proofs, and own shares.",
        epilog="example: python -m benchmarks.proofs --participants 100000 --shares 100000",
    )
    parser.add_argument("--participants", type=int, default=PARTICIPANTS, help="(1000000)")
    parser.add_argument("--shares", type=int, default=SHARES, help="(1000000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(words)
    with tempfile.TemporaryFile() as file:
        figures = measure(given.participants, given.shares, file)
    shown = Table(title=f"{given.participants:,} participants, {given.shares:,} shares of one")
    for name in ("what", "figure"):
        shown.add_column(name, justify="left" if name == "what" else "right")
    for name, figure in figures.items():
        shown.add_row(name, f"{figure:,.3f}")
    held = {
        "leaves_s": HELD_TREE_US * given.participants / 1e6,
        "root_s": HELD_TREE_US * given.participants / 1e6,
        "check_s": HELD_CHECK_S,
        "check_shares_s": HELD_SHARE_US * given.shares / 1e6,
        "tree_mb": 64 + HELD_BYTES * given.participants / 1e6,
    }
    faults = [
        f"{name} is {figures[name]:,.3f}, not {most:,.3f}"
        for name, most in held.items()
        if figures[name] > most
    ]
    console = Console()
    console.print(shown)
    return end(console, faults, figures, given.json)


if __name__ == "__main__":
    sys.exit(main())

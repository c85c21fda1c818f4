"""Blocks of this pool that are on the chain and in no journal here: found as the old machine died.

A block goes to the nodes before its share is on any disk, so a machine that dies in that moment
leaves a block that nobody is paid for. The chain has all that the share's record needs but who
found it: the coinbase names the job and holds the extranonces, the header the rest. The job is in
the archive, which is shipped, and who had that extranonce1 stands in the shares before.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kench.backup.errors import RestoreError
from kench.backup.journals import journal_folders
from kench.native import crc32, sha256d
from kench.pool.bitcoin import hash_hex, push_data
from kench.pool.clock import Clock
from kench.pool.coinbase import EXTRANONCE1_SIZE, EXTRANONCE2_SIZE
from kench.pool.journal import SHARE, ArchivedJob, Batch, Flag, JournalReader, JournalWriter
from kench.pool.journal.format import JournalCorruptError, jobs_path, segment_paths
from kench.pool.journal.reader import ShareArray
from kench.pool.nodes.facts import tip_of_chain_info
from kench.pool.rpc import Node, NodeFaultError
from kench.pool.work import target_of

HEIGHTS_BACK = 12
"""So many blocks before the newest job here are looked at; what is older was shipped long ago."""
CHUNK_RECORDS = 65_536
LOOK_BACK_RECORDS = 2_000_000
FINDER_S = 600
"""Whoever had an extranonce1 so long before may have handed it on."""
_HEADER, _SCRIPT_END = 80, 4 + 2 + 1 + 36 + 1 + 100
_EXTRANONCE = EXTRANONCE1_SIZE + EXTRANONCE2_SIZE

BlockAt = Callable[[int], bytes]
"""The block of the best chain at a height, serialized."""


class LostBlock(NamedTuple):
    """A block of ours that no journal here knows."""

    height: int
    hash: str
    instance: int | None
    """The journal that its record belongs into; None where it cannot be made anew."""
    record: np.void | None
    words: str


class _Job(NamedTuple):
    folder: Path
    job: ArchivedJob


def chain_of(nodes: Sequence[Node]) -> tuple[int, BlockAt]:
    """Return the height of the best chain and how its blocks are read; raises RestoreError."""
    why = "set KENCH_NODE_URLS"
    for node in nodes:
        try:
            height = tip_of_chain_info(node.name, node.call("getblockchaininfo")).height
        except NodeFaultError as fault:
            why = str(fault)
            continue

        def block_at(height: int, node: Node = node) -> bytes:
            block_hash = node.call("getblockhash", height)
            return bytes.fromhex(node.call("getblock", block_hash, 0, timeout_s=60.0))

        return height, block_at
    raise RestoreError(f"no node tells of the chain: {why}")


def newest_job_height(data: Path) -> int | None:
    """Return the height of the newest job in any archive here."""
    jobs = _jobs_from(data, None)
    return max((one.job.height for one in jobs), default=None)


def find_lost(data: Path, heights: range, block_at: BlockAt, tag: bytes) -> Iterator[LostBlock]:
    """Yield blocks of ours at these heights that no journal of the folder knows."""
    jobs = _jobs_from(data, heights.start)
    for height in heights:
        raw = block_at(height)
        header, coinbase = raw[:_HEADER], _first_transaction(raw)
        block_hash = hash_hex(sha256d(header))
        ours = [(one, nonces) for one in jobs if one.job.height == height
                and (nonces := _extranonces(one.job, coinbase)) is not None]  # fmt: skip
        if not ours:
            # Behind the height come eight bytes of the job's key, then the tag.
            if tag and push_data(tag) in coinbase[:_SCRIPT_END]:
                yield LostBlock(height, block_hash, None, None, "its job is not here")
            continue
        lost = _rebuild(ours, header, height, block_hash)
        if lost is not None:
            yield lost


def write_lost(lost: LostBlock, data: Path, clock: Clock) -> int:
    """Append the record of a lost block to its journal; return its number there.

    Raises JournalError where the journal is written by somebody else.
    """
    if lost.record is None or lost.instance is None:
        raise AssertionError("only a record that was made anew can be written")
    folder = data / "journal" / str(lost.instance)
    faults: list[Exception | None] = []
    writer = JournalWriter(folder, lost.instance, clock, 1 << 40, float("inf"))
    sequence = writer.next_sequence
    record = np.array([lost.record], SHARE)
    record["sequence"] = sequence
    # The past is settled: it counts from now on, behind all that is here.
    record["time_us"] = max(clock.now_us(), writer.floor_us)
    raw = bytearray(record.tobytes())
    raw[:4] = crc32(bytes(raw[4:])).to_bytes(4, "little")
    writer.start(lambda _batch: None, faults.append, faults.append)
    writer.hand_over(Batch([], bytes(raw), 1, int(record["time_us"][0])))
    writer.stop()
    if any(faults):
        raise RestoreError(f"{folder} cannot be written: {next(filter(None, faults))}")
    return sequence


def _jobs_from(data: Path, low: int | None) -> list[_Job]:
    """Return the archived jobs of heights from `low` on; of the newest archives, without one."""
    found = []
    for folder in journal_folders(data / "journal"):
        for path in reversed(segment_paths(folder)):
            if not jobs_path(path).exists():
                continue
            lines = jobs_path(path).read_bytes().split(b"\n")[:-1]
            try:
                jobs = [ArchivedJob.from_line(line) for line in lines]
            except (ValueError, KeyError, TypeError) as broken:
                raise JournalCorruptError(
                    f"{jobs_path(path)} has a line that is no job"
                ) from broken
            found += [_Job(folder, job) for job in jobs if low is None or job.height >= low]
            if jobs and (low is None or min(job.height for job in jobs) < low):
                break
    return found


def _first_transaction(raw: bytes) -> bytes:
    """Return a block from its first transaction on; a count takes 1, 3 or 5 bytes."""
    return raw[_HEADER + {0xFD: 3, 0xFE: 5}.get(raw[_HEADER], 1) :]


def _extranonces(job: ArchivedJob, coinbase: bytes) -> bytes | None:
    """Return the extranonces of a coinbase that is this job's, with a witness or without."""
    for begin in (job.coinb1[:4] + b"\x00\x01" + job.coinb1[4:], job.coinb1):
        end = len(begin) + _EXTRANONCE
        # A witness stands before the last four bytes.
        if coinbase.startswith(begin) and coinbase[end:].startswith(job.coinb2[:-4]):
            return coinbase[len(begin) : end]
    return None


def _rebuild(
    ours: list[tuple[_Job, bytes]], header: bytes, height: int, block_hash: str
) -> LostBlock | None:
    record = np.zeros(1, SHARE)
    ((first, nonces), *_) = ours
    record["job_key"] = first.job.job_key
    record["extranonce1"] = np.frombuffer(nonces[:EXTRANONCE1_SIZE], np.uint8)
    record["extranonce2"] = np.frombuffer(nonces[EXTRANONCE1_SIZE:], np.uint8)
    for name, at in (("version", 0), ("ntime", 68), ("nonce", 76)):
        record[name] = int.from_bytes(header[at : at + 4], "little")
    if first.job.header(record[0]) != header:
        return LostBlock(height, block_hash, None, None, "its header is not what its job says")
    if any(_is_known(one, record[0]) for one, _ in ours):
        return None
    for one, _ in ours:
        finder = _finder(one.folder, record[0])
        if finder is not None:
            made = record[0].copy()
            made["participant"], made["worker"] = finder["participant"], finder["worker"]
            made["difficulty"] = finder["difficulty"]
            made["flags"] = Flag.BLOCK
            if int.from_bytes(sha256d(header), "little") > target_of(float(made["difficulty"])):
                made["flags"] |= Flag.UNCREDITED
            who = f"found by worker {made['worker']} of participant {made['participant']}"
            return LostBlock(height, block_hash, int(one.folder.name), made, who)
    return LostBlock(height, block_hash, None, None, "who found it is not known here")


def _is_known(one: _Job, record: np.void) -> bool:
    reader = JournalReader(one.folder)
    for records in reader.chunks_since(one.job.job_key, reader.durable(), CHUNK_RECORDS):
        alike = records[(records["nonce"] == record["nonce"])
                        & (records["job_key"] == record["job_key"])]  # fmt: skip
        names = ("extranonce1", "extranonce2", "ntime", "version")
        if any(all(np.array_equal(found[name], record[name]) for name in names)
               for found in alike):  # fmt: skip
            return True
    return False


def _finder(folder: Path, record: np.void) -> np.void | None:
    """Return the last share of whoever had this extranonce1 when the block was found."""
    found_s = int(record["ntime"])
    for records in _backwards(folder):
        times_s = (records["time_us"] // 1_000_000).astype(np.int64)
        is_near = np.abs(times_s - found_s) <= FINDER_S
        near = records[is_near & (records["extranonce1"] == record["extranonce1"]).all(axis=1)]
        if len(near):
            last: np.void = near[-1]
            return last
        if len(times_s) and times_s[0] < found_s - FINDER_S:
            return None
    return None


def _backwards(folder: Path) -> Iterator[ShareArray]:
    """Yield the newest shares, the last first, as far as is looked back; a gap ends it."""
    reader = JournalReader(folder)
    looked = 0
    for segment in reversed(reader.segments()):
        end = segment.first_sequence + segment.records
        while end > segment.first_sequence and looked < LOOK_BACK_RECORDS:
            start = max(segment.first_sequence, end - CHUNK_RECORDS)
            try:
                yield reader.read_within(start, end - start, end)
            except JournalCorruptError:
                break
            looked += end - start
            end = start

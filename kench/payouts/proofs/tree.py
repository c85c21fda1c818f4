"""The Merkle sum tree over those whom a block pays: each node commits to work and satoshi below it.

An entry is 72 bytes: work in hashes (32, little-endian), satoshi (8, little-endian), SHA-256 (32).
A leaf's hash is over its participant, numbers and name; a node's over the whole entries of both its
children, so that neither sum can be moved from one to the other, and no number can be negative or
run over. The last entry of an odd level goes up as it is. The root's hash covers how many leaves
there are too, which with a leaf's index gives the shape: nothing is left to choose for who proves.

The name is committed to with a salt that only its own proof shows. Neighbours in the tree see an
entry's numbers, never whose they are.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kench.payouts.proofs.errors import ProofRefusedError

WORK_BYTES, SAT_BYTES, ID_BYTES, HASH_BYTES = 32, 8, 8, 32
SUM_BYTES = WORK_BYTES + SAT_BYTES
ENTRY_BYTES = SUM_BYTES + HASH_BYTES
MONEY_MAX_SAT = 21_000_000 * 100_000_000
"""More satoshi than there will ever be."""
_NAME = b"kench proof name 1\0"
_LEAF = b"kench proof leaf 1\0"
_NODE = b"kench proof node 1\0"
_ROOT = b"kench proof root 1\0"


class TreeError(ValueError):
    """Numbers or an order of participants that no tree can be made of."""


class Leaf(NamedTuple):
    """What one participant has in a block, and the salted digest of its name."""

    participant_id: int
    work_hashes: int
    reward_sat: int
    name_digest: bytes


class Entry(NamedTuple):
    """A leaf or node as its parent sees it."""

    work_hashes: int
    reward_sat: int
    hash: bytes


class Root(NamedTuple):
    """What the whole tree commits to."""

    participants: int
    work_hashes: int
    reward_sat: int
    hash: bytes


def salt_of(source: bytes, participant_id: int) -> bytes:
    """Return a participant's salt in a tree, from the 32 secret bytes of that tree."""
    return hmac.digest(source, participant_id.to_bytes(ID_BYTES, "little"), "sha256")


def digest_of_name(salt: bytes, name: str) -> bytes:
    """Return what a leaf shows of a name."""
    return hashlib.sha256(_NAME + salt + name.encode()).digest()


class Tree:
    """The leaves of a tree, by participant id; its root and paths are computed when asked for."""

    def __init__(self, leaves: Iterable[Leaf]) -> None:
        """Take the leaves, by ascending participant id. Raises TreeError."""
        level, ids, before = bytearray(), bytearray(), -1
        for leaf in leaves:
            if leaf.participant_id <= before:
                raise TreeError(
                    f"participant {leaf.participant_id} does not follow participant {before}"
                )
            before = leaf.participant_id
            level += _pack(_entry_of(leaf))
            ids += before.to_bytes(ID_BYTES, "little")
        if not level:
            raise TreeError("a tree has at least one leaf")
        self._level, self._ids = bytes(level), bytes(ids)

    @property
    def participants(self) -> int:
        """How many leaves there are."""
        return len(self._level) // ENTRY_BYTES

    def root(self) -> Root:
        """Return what the tree commits to. Raises TreeError where its sums run over."""
        level = self._level
        while len(level) > ENTRY_BYTES:
            level = _parents(level)
        return root_of(self.participants, _unpack(level))

    def index_of(self, participant_id: int) -> int | None:
        """Return where a participant's leaf is, None where it has none."""
        low, high = 0, self.participants
        while low < high:
            middle = (low + high) // 2
            raw = self._ids[middle * ID_BYTES : (middle + 1) * ID_BYTES]
            if int.from_bytes(raw, "little") < participant_id:
                low = middle + 1
            else:
                high = middle
        start = low * ID_BYTES
        found = int.from_bytes(self._ids[start : start + ID_BYTES], "little")
        return low if low < self.participants and found == participant_id else None

    def path(self, index: int) -> list[Entry]:
        """Return the entries that a leaf needs on its way to the root, from below."""
        steps, level = [], self._level
        for sibling in siblings_of(index, self.participants):
            if sibling is not None:
                steps.append(_unpack(level[sibling * ENTRY_BYTES : (sibling + 1) * ENTRY_BYTES]))
            level = _parents(level)
        return steps


def siblings_of(index: int, count: int) -> Iterator[int | None]:
    """Yield, for each level below the root, the index of the entry beside; None where none is."""
    while count > 1:
        sibling = index ^ 1
        yield sibling if sibling < count else None
        index, count = index // 2, (count + 1) // 2


def climb(leaf: Leaf, index: int, count: int, path: Iterable[Entry]) -> Root:
    """Return the root that a leaf and its path lead to, all sums added anew.

    Raises ProofRefusedError where they lead nowhere.
    """
    if not 0 <= index < count:
        raise ProofRefusedError(f"leaf {index} is not one of {count}")
    steps = iter(path)
    try:
        entry = _entry_of(leaf)
        for sibling in siblings_of(index, count):
            if sibling is None:
                continue
            beside = next(steps, None)
            if beside is None:
                raise ProofRefusedError("the path ends below the root")
            left, right = (entry, beside) if sibling % 2 else (beside, entry)
            entry = _unpack(_parent(_pack(left), _pack(right)))
        root = root_of(count, entry)
    except TreeError as wrong:
        raise ProofRefusedError(f"the path leads to no tree: {wrong}") from wrong
    if next(steps, None) is not None:
        raise ProofRefusedError("the path goes on above the root")
    return root


def root_of(count: int, top: Entry) -> Root:
    """Return the root over so many leaves."""
    digest = hashlib.sha256(_ROOT + count.to_bytes(8, "little") + _pack(top)).digest()
    return Root(count, top.work_hashes, top.reward_sat, digest)


def _entry_of(leaf: Leaf) -> Entry:
    participant_id, work_hashes, reward_sat, name_digest = leaf
    if len(name_digest) != HASH_BYTES:
        raise TreeError("the digest of a name has 32 bytes")
    try:
        identity = participant_id.to_bytes(ID_BYTES, "little")
    except OverflowError:
        raise TreeError(f"{participant_id} is no participant") from None
    numbers = _pack_sums(work_hashes, reward_sat)
    digest = hashlib.sha256(_LEAF + identity + numbers + name_digest).digest()
    return Entry(work_hashes, reward_sat, digest)


def _parents(level: bytes) -> bytes:
    """Return the level above; the last entry of an odd level goes up as it is."""
    above = bytearray()
    paired = len(level) // (2 * ENTRY_BYTES) * (2 * ENTRY_BYTES)
    for start in range(0, paired, 2 * ENTRY_BYTES):
        middle = start + ENTRY_BYTES
        above += _parent(level[start:middle], level[middle : middle + ENTRY_BYTES])
    return bytes(above + level[paired:])


def _parent(left: bytes, right: bytes) -> bytes:
    work_hashes = int.from_bytes(left[:WORK_BYTES], "little") + int.from_bytes(
        right[:WORK_BYTES], "little"
    )
    reward_sat = int.from_bytes(left[WORK_BYTES:SUM_BYTES], "little") + int.from_bytes(
        right[WORK_BYTES:SUM_BYTES], "little"
    )
    return _pack_sums(work_hashes, reward_sat) + hashlib.sha256(_NODE + left + right).digest()


def _pack(entry: Entry) -> bytes:
    if len(entry.hash) != HASH_BYTES:
        raise TreeError("an entry's hash has 32 bytes")
    return _pack_sums(entry.work_hashes, entry.reward_sat) + entry.hash


def _pack_sums(work_hashes: int, reward_sat: int) -> bytes:
    if not 0 <= reward_sat <= MONEY_MAX_SAT:
        raise TreeError(f"{reward_sat} sat are below nothing or more than there will ever be")
    try:
        return work_hashes.to_bytes(WORK_BYTES, "little") + reward_sat.to_bytes(SAT_BYTES, "little")
    except OverflowError:
        raise TreeError(f"{work_hashes} hashes are below nothing or beyond 256 bits") from None


def _unpack(raw: bytes) -> Entry:
    return Entry(
        int.from_bytes(raw[:WORK_BYTES], "little"),
        int.from_bytes(raw[WORK_BYTES:SUM_BYTES], "little"),
        bytes(raw[SUM_BYTES:]),
    )

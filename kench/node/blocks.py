"""Serialized blocks and transactions: reading them apart, and what must be computed from them."""

from dataclasses import dataclass

from kench.native import sha256d
from kench.pool.bitcoin import compact_size
from kench.pool.coinbase import Output, with_witness

HEADER_BYTES = 80
NULL_OUTPOINT = bytes(32) + b"\xff\xff\xff\xff"
_COMMITMENT_HEAD = bytes.fromhex("6a24aa21a9ed")
_COMMITMENT_BYTES = 38
_WITNESS_SCALE = 4


class Reader:
    """Takes values off the front of serialized bytes; raises ValueError past their end."""

    def __init__(self, raw: bytes, position: int = 0) -> None:
        self._raw = raw
        self.position = position

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        end = self.position + size
        if end > len(self._raw):
            raise ValueError("the bytes end too early")
        taken = self._raw[self.position : end]
        self.position = end
        return taken

    def number(self, size: int) -> int:
        """Return the next `size` bytes as an unsigned little-endian number."""
        return int.from_bytes(self.take(size), "little")

    def count(self) -> int:
        """Return the next CompactSize."""
        first = self.number(1)
        return first if first < 0xFD else self.number(1 << first - 0xFC)

    def sized(self) -> bytes:
        """Return the next bytes whose length stands before them."""
        return self.take(self.count())

    def since(self, start: int) -> bytes:
        """Return the bytes between `start` and here."""
        return self._raw[start : self.position]


@dataclass(frozen=True, slots=True)
class Input:
    """One input: `outpoint` is txid (internal order) and index; `witness` its stack."""

    outpoint: bytes
    script_sig: bytes
    sequence: int
    witness: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction: `raw` as in the block, `stripped` without marker, flag and witness."""

    raw: bytes
    stripped: bytes
    version: int
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    locktime: int

    @property
    def txid_le(self) -> bytes:
        """Hash without witness, internal order."""
        return sha256d(self.stripped)

    @property
    def wtxid_le(self) -> bytes:
        """Hash with witness, internal order."""
        return sha256d(self.raw)

    @property
    def weight(self) -> int:
        """Weight units (BIP141)."""
        return len(self.stripped) * (_WITNESS_SCALE - 1) + len(self.raw)

    @property
    def has_witness(self) -> bool:
        """Whether any input has a witness."""
        return any(one.witness for one in self.inputs)

    @property
    def is_coinbase(self) -> bool:
        """Whether it creates coins."""
        return len(self.inputs) == 1 and self.inputs[0].outpoint == NULL_OUTPOINT


@dataclass(frozen=True, slots=True)
class Block:
    """A block read apart."""

    header: bytes
    transactions: tuple[Transaction, ...]

    @property
    def stripped_size(self) -> int:
        """Bytes without witness."""
        return (
            HEADER_BYTES
            + len(compact_size(len(self.transactions)))
            + sum(len(one.stripped) for one in self.transactions)
        )

    @property
    def size(self) -> int:
        """Bytes with witness."""
        return self.stripped_size + sum(
            len(one.raw) - len(one.stripped) for one in self.transactions
        )

    @property
    def weight(self) -> int:
        """Weight units (BIP141)."""
        return self.stripped_size * (_WITNESS_SCALE - 1) + self.size


def read_transaction(reader: Reader) -> Transaction:
    """Take one transaction off `reader` (BIP144); raises ValueError."""
    start = reader.position
    version = reader.take(4)
    body_start = reader.position
    segwit = reader.take(2) == b"\x00\x01"
    if segwit:
        body_start = reader.position
    reader.position = body_start
    bare = [(reader.take(36), reader.sized(), reader.number(4)) for _ in range(reader.count())]
    outputs = tuple(_read_output(reader) for _ in range(reader.count()))
    body = reader.since(body_start)
    stacks = [tuple(reader.sized() for _ in range(reader.count())) if segwit else () for _ in bare]
    locktime = reader.take(4)
    return Transaction(
        raw=reader.since(start),
        stripped=version + body + locktime,
        version=int.from_bytes(version, "little"),
        inputs=tuple(Input(*one, stack) for one, stack in zip(bare, stacks, strict=True)),
        outputs=outputs,
        locktime=int.from_bytes(locktime, "little"),
    )


def _read_output(reader: Reader) -> Output:
    amount_sat = reader.number(8)
    return Output(reader.sized(), amount_sat)


def read_block(raw: bytes) -> Block:
    """Read a serialized block apart; raises ValueError."""
    reader = Reader(raw, HEADER_BYTES)
    return Block(raw[:HEADER_BYTES], tuple(read_transaction(reader) for _ in range(reader.count())))


def tree_root(hashes: list[bytes]) -> bytes:
    """Return the merkle root of transaction hashes in internal order, at least one."""
    level = hashes
    while len(level) > 1:
        if len(level) % 2:
            level = [*level, level[-1]]
        level = [sha256d(level[i] + level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]


def witness_commitment(wtxids: list[bytes], reserved: bytes = bytes(32)) -> bytes:
    """Return the script that commits to the witnesses of a block's transactions (BIP141).

    `wtxids` leaves the coinbase out; `reserved` is the coinbase's own witness.
    """
    return _COMMITMENT_HEAD + sha256d(tree_root([bytes(32), *wtxids]) + reserved)


def committed_script(coinbase: Transaction) -> bytes | None:
    """Return the last output that commits to witnesses, as consensus picks it; None without."""
    found = None
    for output in coinbase.outputs:
        if len(output.script) >= _COMMITMENT_BYTES and output.script.startswith(_COMMITMENT_HEAD):
            found = output.script
    return found


def with_coinbase_witness(raw: bytes) -> bytes:
    """Add the witness that a committing coinbase lacks, as Core's submitblock does (B13).

    Any other block is returned as it is.
    """
    reader = Reader(raw, HEADER_BYTES)
    if reader.count() == 0:
        return raw
    start = reader.position
    coinbase = read_transaction(reader)
    if committed_script(coinbase) is None or not coinbase.inputs or coinbase.has_witness:
        return raw
    return raw[:start] + with_witness(coinbase.stripped) + raw[reader.position :]

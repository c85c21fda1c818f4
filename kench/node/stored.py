"""The kernel's block files: reading back the blocks in them, in the order they came.

The kernel writes each block there at once but its index only now and then, so after a kill the
files know more than the index does.
"""

from collections.abc import Iterator
from pathlib import Path

from kench.native import sha256d
from kench.node.blocks import HEADER_BYTES
from kench.node.kernel import Kernel
from kench.pool.bitcoin import hash_hex

_MAGIC = bytes.fromhex("fabfb5da")
_FRAME_BYTES = 8


def stored_blocks(blocks_folder: Path) -> Iterator[bytes]:
    """Yield every block of the block files of a regtest chain."""
    key_file = blocks_folder / "xor.dat"
    key = key_file.read_bytes() if key_file.exists() else bytes(8)
    for file in sorted(blocks_folder.glob("blk*.dat")):
        data = _unmask(file.read_bytes(), key)
        position = 0
        while data[position : position + 4] == _MAGIC:
            start = position + _FRAME_BYTES
            position = start + int.from_bytes(data[position + 4 : start], "little")
            if position > len(data) or position < start + HEADER_BYTES:
                break
            yield data[start:position]


def block_hash(raw: bytes) -> str:
    """Hash of a serialized block, as RPC spells it."""
    return hash_hex(sha256d(raw[:HEADER_BYTES]))


def recover(kernel: Kernel) -> int:
    """Give the kernel the blocks that its files have and its index lost; return how many."""
    # All are read before the first is given back: the kernel writes them to the same place.
    lost = [
        raw for raw in stored_blocks(kernel.blocks_folder) if kernel.block(block_hash(raw)) is None
    ]
    for raw in lost:
        kernel.process(raw)
    return len(lost)


def _unmask(data: bytes, key: bytes) -> bytes:
    """Undo the mask that the kernel lays over its files."""
    repeated = (key * (len(data) // len(key) + 1))[: len(data)]
    plain = int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")
    return plain.to_bytes(len(data), "little")

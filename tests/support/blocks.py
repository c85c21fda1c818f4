"""Building blocks by hand: right ones, and ones that are wrong in one way.

raw = build_block(template, script)                     # hex, ready for submitblock
raw = build_block(template, script, amount_sat=1 << 50) # a coinbase that takes too much
side = build_block(on_parent(template, header), script) # a block on another parent
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NULL_OUTPOINT = bytes(32) + b"\xff" * 4
RESERVED_VALUE = bytes(32)
ANYONE_SCRIPT = b"\x00\x20" + hashlib.sha256(b"nobody's script").digest()
"""A script to pay to where it does not matter: the hash of no script known to anyone."""


def sha256d(data: bytes) -> bytes:
    """Bitcoin's digest."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def compact_size(count: int) -> bytes:
    if count < 0xFD:
        return bytes([count])
    if count <= 0xFFFF:
        return b"\xfd" + count.to_bytes(2, "little")
    return b"\xfe" + count.to_bytes(4, "little")


def script_number(number: int) -> bytes:
    """Push of a small number as BIP34 wants the height."""
    if number == 0:
        return b"\x00"
    if number <= 16:
        return bytes([0x50 + number])
    raw = number.to_bytes(number.bit_length() // 8 + 1, "little")
    return bytes([len(raw)]) + raw


def serialized(
    inputs: Sequence[tuple[bytes, bytes, int]],
    outputs: Sequence[tuple[int, bytes]],
    locktime: int = 0,
) -> bytes:
    """Transaction without witness: inputs are (outpoint, script, sequence)."""
    body = compact_size(len(inputs))
    for outpoint, script, sequence in inputs:
        body += outpoint + compact_size(len(script)) + script + sequence.to_bytes(4, "little")
    body += compact_size(len(outputs))
    for amount_sat, script in outputs:
        body += amount_sat.to_bytes(8, "little") + compact_size(len(script)) + script
    return (2).to_bytes(4, "little") + body + locktime.to_bytes(4, "little")


def with_witness(stripped: bytes, stack: Sequence[bytes]) -> bytes:
    """The same transaction of one input with that input's witness."""
    if not stack:
        return stripped
    items = b"".join(compact_size(len(item)) + item for item in stack)
    marked = stripped[:4] + b"\x00\x01" + stripped[4:-4]
    return marked + compact_size(len(stack)) + items + stripped[-4:]


def merkle_root(hashes: Sequence[bytes]) -> bytes:
    level = list(hashes)
    while len(level) > 1:
        level += level[-1:] * (len(level) % 2)
        level = [sha256d(a + b) for a, b in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def target_from_bits(bits: str) -> int:
    number = int(bits, 16)
    return (number & 0x7FFFFF) << 8 * ((number >> 24) - 3)


@dataclass(frozen=True, slots=True)
class Coinbase:
    """A coinbase to be: each field None is what the template asks for."""

    script: bytes = ANYONE_SCRIPT
    extranonce: int = 0
    height: int | None = None
    amount_sat: int | None = None
    commitment: bytes | None = None
    script_sig: bytes | None = None
    outpoint: bytes = NULL_OUTPOINT
    locktime: int = 0
    sequence: int = 0xFFFFFFFF
    outputs: Sequence[tuple[int, bytes]] | None = None

    def stripped(self, template: Mapping[str, Any]) -> bytes:
        height = template["height"] if self.height is None else self.height
        amount_sat = template["coinbasevalue"] if self.amount_sat is None else self.amount_sat
        commitment = self.commitment
        if commitment is None:
            commitment = bytes.fromhex(template["default_witness_commitment"])
        script_sig = self.script_sig
        if script_sig is None:
            script_sig = script_number(height) + b"\x08" + self.extranonce.to_bytes(8, "big")
        outputs = self.outputs
        if outputs is None:
            outputs = [(amount_sat, self.script)]
            if commitment:
                outputs.append((0, commitment))
        return serialized([(self.outpoint, script_sig, self.sequence)], outputs, self.locktime)


def build_block(
    template: Mapping[str, Any],
    script: bytes = ANYONE_SCRIPT,
    extranonce: int = 0,
    *,
    coinbase: Coinbase | None = None,
    witness: Sequence[bytes] = (RESERVED_VALUE,),
    transactions: Sequence[tuple[bytes, bytes]] | None = None,
    version: int | None = None,
    previous: str | None = None,
    root: bytes | None = None,
    time_s: int | None = None,
    bits: str | None = None,
    meets_target: bool = True,
    **coinbase_fields: Any,
) -> str:
    """Block for submitblock, in hex; solved at `bits`, or surely not solved.

    `transactions` are (raw, txid in internal order), by default the template's. Further keywords
    are fields of Coinbase.
    """
    if coinbase is None:
        coinbase = Coinbase(script, extranonce, **coinbase_fields)
    stripped = coinbase.stripped(template)
    if transactions is None:
        transactions = [
            (bytes.fromhex(one["data"]), bytes.fromhex(one["txid"])[::-1])
            for one in template["transactions"]
        ]
    if root is None:
        root = merkle_root([sha256d(stripped), *(txid for _, txid in transactions)])
    bits = bits or template["bits"]
    head = b"".join(
        (
            (template["version"] if version is None else version).to_bytes(4, "little"),
            bytes.fromhex(previous or template["previousblockhash"])[::-1],
            root,
            (template["curtime"] if time_s is None else time_s).to_bytes(4, "little"),
            bytes.fromhex(bits)[::-1],
        )
    )
    body = compact_size(1 + len(transactions)) + with_witness(stripped, witness)
    body += b"".join(raw for raw, _ in transactions)
    return (solved(head, target_from_bits(bits), meets_target=meets_target) + body).hex()


def solved(head: bytes, target: int, *, meets_target: bool = True) -> bytes:
    """Header of 80 bytes whose hash meets the target, or does not."""
    for nonce in range(1 << 22):
        header = head + nonce.to_bytes(4, "little")
        if (int.from_bytes(sha256d(header), "little") <= target) == meets_target:
            return header
    raise AssertionError("the target is too hard for a test")


def hash_of(block_hex: str) -> str:
    """Hash of a block in hex, as RPC spells it."""
    return sha256d(bytes.fromhex(block_hex[:160]))[::-1].hex()


def on_parent(
    template: Mapping[str, Any], parent: Mapping[str, Any], halving: int = 150
) -> dict[str, Any]:
    """Template for a child of `parent` (an answer of getblockheader), wherever that is."""
    height = parent["height"] + 1
    return {
        **template,
        "previousblockhash": parent["hash"],
        "height": height,
        "coinbasevalue": 50 * 100_000_000 >> height // halving,
        "curtime": max(template["curtime"], parent["mediantime"] + 1),
        "transactions": [],
        "default_witness_commitment": EMPTY_COMMITMENT.hex(),
    }


EMPTY_COMMITMENT = bytes.fromhex("6a24aa21a9ed") + sha256d(bytes(32) + RESERVED_VALUE)
"""Witness commitment of a block with no transaction but the coinbase."""

"""A block template: what a node's getblocktemplate says, checked and made fit for jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kench.native import merkle_branches, merkle_root, sha256d
from kench.pool.bitcoin import hash_hex, hash_le, hashes_le, target_from_bits
from kench.pool.errors import KenchError

# Rules whose meaning for a block's builder we know (B2); one marked `!` and not here is refused.
KNOWN_RULES = frozenset({"csv", "segwit", "taproot", "signet", "testdummy"})
# Core keeps this much of a block's weight and sigops for header and coinbase (B11).
RESERVED_WEIGHT = 8000
RESERVED_SIGOPS = 400
# The bits that miners may roll (BIP320).
ROLLING_MASK = 0x1FFFE000
_COMMITMENT_HEAD = bytes.fromhex("6a24aa21a9ed")
_HEADER_AND_COUNT_WEIGHT = 320 + 12


class TemplateRefusedError(KenchError):
    """A node's template cannot be mined on; the message says why."""


@dataclass(frozen=True, slots=True)
class Template:
    """One getblocktemplate answer, with everything that a job or a block needs.

    `version` has the bits that miners roll cleared, so that BIP310, OR and XOR agree (A7.7);
    `rolling_mask` leaves out what the node requires (vbrequired). `block_target` is the bound that
    decides what is sent as a block: the template's `target`, which may be harder than `nbits`.
    """

    height: int
    version: int
    rolling_mask: int
    prevhash_le: bytes
    nbits: int
    block_target: int
    curtime: int
    mintime: int
    coinbase_value_sat: int
    coinbase_flags: bytes
    transactions_hex: tuple[str, ...]
    branches: bytes
    witness_commitment: bytes | None
    longpollid: str

    @property
    def prevhash(self) -> str:
        """The previous block's hash as RPC spells it."""
        return hash_hex(self.prevhash_le)

    @classmethod
    def parse(cls, answer: Mapping[str, Any]) -> "Template":
        """Read a getblocktemplate result (B1 to B3, B8 to B11).

        Raises TemplateRefusedError where the answer cannot be mined on; missing optional keys are
        no reason.
        """
        try:
            return _parse(answer)
        except (KeyError, TypeError, ValueError) as broken:
            raise TemplateRefusedError(
                f"the node's block template cannot be read ({type(broken).__name__}: {broken})"
            ) from broken


def _parse(answer: Mapping[str, Any]) -> Template:
    _check_rules(answer.get("rules", []))
    transactions = answer["transactions"]
    nbits = int(answer["bits"], 16)
    commitment_hex = answer.get("default_witness_commitment")
    commitment = bytes.fromhex(commitment_hex) if commitment_hex else None
    txids = [entry["txid"] for entry in transactions]
    if commitment is not None:
        _check_commitment(commitment, [entry.get("hash", entry["txid"]) for entry in transactions])
    _check_room(answer, transactions)
    required = int(answer.get("vbrequired", 0))
    mask = ROLLING_MASK & ~required
    mintime = int(answer.get("mintime", 0))
    target_hex = answer.get("target")
    return Template(
        height=int(answer["height"]),
        version=int(answer["version"]) & ~mask & 0xFFFF_FFFF,
        rolling_mask=mask,
        prevhash_le=hash_le(answer["previousblockhash"]),
        nbits=nbits,
        block_target=int(target_hex, 16) if target_hex else target_from_bits(nbits),
        curtime=max(int(answer["curtime"]), mintime),
        mintime=mintime,
        coinbase_value_sat=int(answer["coinbasevalue"]),
        coinbase_flags=bytes.fromhex(answer.get("coinbaseaux", {}).get("flags", "")),
        transactions_hex=tuple([entry["data"] for entry in transactions]),
        branches=merkle_branches(hashes_le(txids)),
        witness_commitment=commitment,
        longpollid=str(answer.get("longpollid", "")),
    )


def _check_rules(rules: list[str]) -> None:
    for rule in rules:
        if rule.startswith("!") and rule[1:] not in KNOWN_RULES:
            raise TemplateRefusedError(
                f"the node's template needs rule {rule!r}, which this version does not know: update"
            )


def _check_commitment(commitment: bytes, wtxids: list[str]) -> None:
    """Recompute the witness commitment (B10, BIP141)."""
    root = merkle_root(bytes(32), merkle_branches(hashes_le(wtxids)))
    if commitment != _COMMITMENT_HEAD + sha256d(root + bytes(32)):
        raise TemplateRefusedError("the node's witness commitment does not fit its transactions")


def _check_room(answer: Mapping[str, Any], transactions: list[Mapping[str, Any]]) -> None:
    """Check that header and coinbase still fit beside the template's transactions (B11)."""
    weight = sum(map(int, [entry.get("weight", 0) for entry in transactions]))
    limit = int(answer.get("weightlimit", 4_000_000))
    if weight + RESERVED_WEIGHT > limit and weight + _HEADER_AND_COUNT_WEIGHT + 4000 > limit:
        raise TemplateRefusedError(
            f"the template's transactions weigh {weight} of {limit}: no room for a coinbase"
        )
    sigops = sum(map(int, [entry.get("sigops", 0) for entry in transactions]))
    if sigops + RESERVED_SIGOPS > int(answer.get("sigoplimit", 80_000)):
        raise TemplateRefusedError(
            f"the template's transactions use {sigops} sigops: no room for a coinbase's"
        )

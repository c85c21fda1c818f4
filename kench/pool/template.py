"""A block template: what a node's getblocktemplate says, checked and made fit for jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from kench.native import merkle_branches, merkle_root, sha256d
from kench.pool.bitcoin import MAX_TARGET, hash_hex, hash_le, hashes_le, target_from_bits
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
_U32_MAX = 0xFFFF_FFFF
_HEIGHT_MAX = (1 << 31) - 1
_MONEY_MAX_SAT = 21_000_000 * 100_000_000
_T = TypeVar("_T")


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
        except (AttributeError, KeyError, TypeError, ValueError) as broken:
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
    mask = ROLLING_MASK & ~_whole("vbrequired", answer.get("vbrequired", 0), _U32_MAX)
    mintime = _whole("mintime", answer.get("mintime", 0), _U32_MAX)
    target_hex = answer.get("target")
    target = int(target_hex, 16) if target_hex else target_from_bits(nbits)
    return Template(
        height=_whole("height", answer["height"], _HEIGHT_MAX),
        # A signed number in RPC, and in blocks.
        version=_whole("version", answer["version"], _U32_MAX, -1 << 31) & ~mask & _U32_MAX,
        rolling_mask=mask,
        prevhash_le=hash_le(answer["previousblockhash"]),
        nbits=_whole("bits", nbits, _U32_MAX),
        block_target=_whole("target", target, MAX_TARGET, 1),
        curtime=max(_whole("curtime", answer["curtime"], _U32_MAX), mintime),
        mintime=mintime,
        coinbase_value_sat=_whole("coinbasevalue", answer["coinbasevalue"], _MONEY_MAX_SAT),
        coinbase_flags=bytes.fromhex(answer.get("coinbaseaux", {}).get("flags", "")),
        transactions_hex=tuple(_all("data", str, [entry["data"] for entry in transactions])),
        branches=merkle_branches(hashes_le(txids)),
        witness_commitment=commitment,
        longpollid=str(answer.get("longpollid", "")),
    )


def _whole(name: str, value: object, most: int, least: int = 0) -> int:
    """Return a number that is whole and within bounds.

    A node may be broken or somebody else's: making a whole number of 1e999999999 never ends.
    """
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} is {str(value)[:40]}")
    return value


def _all(name: str, kind: type[_T], values: list[Any]) -> list[_T]:
    """Return values that are all of one kind."""
    if values and set(map(type, values)) != {kind}:
        raise ValueError(f"{name} of some transaction is not {kind.__name__}")
    return values


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
    weight = sum(_all("weight", int, [entry.get("weight", 0) for entry in transactions]))
    limit = _whole("weightlimit", answer.get("weightlimit", 4_000_000), _U32_MAX)
    if weight + RESERVED_WEIGHT > limit and weight + _HEADER_AND_COUNT_WEIGHT + 4000 > limit:
        raise TemplateRefusedError(
            f"the template's transactions weigh {weight} of {limit}: no room for a coinbase"
        )
    sigops = sum(_all("sigops", int, [entry.get("sigops", 0) for entry in transactions]))
    limit = _whole("sigoplimit", answer.get("sigoplimit", 80_000), _U32_MAX)
    if sigops + RESERVED_SIGOPS > limit:
        raise TemplateRefusedError(
            f"the template's transactions use {sigops} sigops: no room for a coinbase's"
        )

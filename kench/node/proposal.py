"""Judging a proposal (BIP23): a block without its work, taken into no chain.

The kernel's C API judges what needs neither chain nor work, without naming the reason. The rest
are the rules of Core's contextual checks, in Core's order, for blocks of a coinbase alone: there
is no way to ask the kernel for the coins that other transactions would spend.
"""

from itertools import pairwise

from kench.native import sha256d
from kench.node.blocks import (
    Block,
    committed_script,
    read_block,
    witness_commitment,
)
from kench.node.chain import Chain
from kench.node.kernel import Entry
from kench.node.stored import block_hash
from kench.node.template import BITS, TemplateMaker, subsidy_sat
from kench.pool.bitcoin import hash_hex, push_height

MAX_FUTURE_S = 2 * 60 * 60
LOCKTIME_IS_TIME = 500_000_000
OLDEST_VERSION = 4
"""Lowest version that BIP34, BIP65 and BIP66, all active on regtest, leave valid."""
MAX_WEIGHT = 4_000_000
_SCRIPT_SIG_SIZES = range(2, 101)
_RESERVED_VALUE_BYTES = 32


class HasTransactionsError(Exception):
    """The proposal holds transactions, whose inputs cannot be judged."""


def judge_proposal(chain: Chain, templates: TemplateMaker, raw: bytes) -> str | None:
    """Return None for a proposal that would be a valid block, else Core's word for the fault.

    Raises BlockUndecodableError, and HasTransactionsError for a proposal without another fault.
    """
    canonical = chain.kernel.canonical(raw)
    known = chain.find(block_hash(canonical))
    if known is not None:
        return _known(chain, known)
    tip = chain.tip
    if hash_hex(canonical[4:36]) != tip.hash:
        return "inconclusive-not-best-prevblk"
    block = read_block(canonical)
    if not chain.kernel.is_well_formed(canonical):
        return _malformed(block)
    height = tip.height + 1
    median_time_s = chain.median_time(tip)
    return (
        _wrong_header(block.header, median_time_s, templates.now_us() // 1_000_000)
        or _wrong_place(block, height, median_time_s)
        or _wrong_witness(block)
        or _wrong_amounts(block, height)
    )


def _known(chain: Chain, entry: Entry) -> str:
    if chain.is_on_best_chain(entry):
        return "duplicate"
    return "duplicate-invalid" if chain.was_refused(entry.hash) else "duplicate-inconclusive"


def _malformed(block: Block) -> str:
    """Name what is wrong with a block that the kernel found malformed."""
    root, mutated = _root_and_mutation([one.txid_le for one in block.transactions])
    first = block.transactions[0] if block.transactions else None
    scripts = [len(one.script_sig) for one in first.inputs] if first is not None else []
    faults = {
        "bad-txnmrklroot": root != block.header[36:68],
        "bad-txns-duplicate": mutated,
        "bad-blk-length": first is None or block.stripped_size * 4 > MAX_WEIGHT,
        "bad-cb-missing": first is None or not first.is_coinbase,
        "bad-cb-multiple": any(one.is_coinbase for one in block.transactions[1:]),
        "bad-txns-vout-empty": first is None or not first.outputs,
        "bad-cb-length": any(size not in _SCRIPT_SIG_SIZES for size in scripts),
    }
    # The rest are faults of transactions that a pool does not make; Core says which.
    return next((reason for reason, found in faults.items() if found), "rejected")


def _root_and_mutation(hashes: list[bytes]) -> tuple[bytes, bool]:
    """Return the merkle root, and whether equal neighbours hide in the tree (CVE-2012-2459)."""
    mutated = False
    level = hashes or [bytes(32)]
    while len(level) > 1:
        mutated |= any(a == b for a, b in list(pairwise(level))[::2])
        if len(level) % 2:
            level = [*level, level[-1]]
        level = [sha256d(a + b) for a, b in list(pairwise(level))[::2]]
    return level[0], mutated


def _wrong_header(header: bytes, median_time_s: int, now_s: int) -> str | None:
    time_s = int.from_bytes(header[68:72], "little")
    version = int.from_bytes(header[:4], "little", signed=True)
    if int.from_bytes(header[72:76], "little") != BITS:
        return "bad-diffbits"
    if time_s <= median_time_s:
        return "time-too-old"
    if time_s > now_s + MAX_FUTURE_S:
        return "time-too-new"
    if version < OLDEST_VERSION:
        return f"bad-version(0x{version & 0xFFFF_FFFF:08x})"
    return None


def _wrong_place(block: Block, height: int, median_time_s: int) -> str | None:
    for one in block.transactions:
        cutoff = height if one.locktime < LOCKTIME_IS_TIME else median_time_s
        final = all(each.sequence == 0xFFFF_FFFF for each in one.inputs)
        if one.locktime >= cutoff and one.locktime and not final:
            return "bad-txns-nonfinal"
    if not block.transactions[0].inputs[0].script_sig.startswith(push_height(height)):
        return "bad-cb-height"
    return None


def _wrong_witness(block: Block) -> str | None:
    coinbase, *others = block.transactions
    committed = committed_script(coinbase)
    if committed is None:
        return "unexpected-witness" if any(one.has_witness for one in block.transactions) else None
    stack = coinbase.inputs[0].witness
    if len(stack) != 1 or len(stack[0]) != _RESERVED_VALUE_BYTES:
        return "bad-witness-nonce-size"
    expected = witness_commitment([one.wtxid_le for one in others], stack[0])
    return None if committed[: len(expected)] == expected else "bad-witness-merkle-match"


def _wrong_amounts(block: Block, height: int) -> str | None:
    if block.weight > MAX_WEIGHT:
        return "bad-blk-weight"
    if len(block.transactions) > 1:
        raise HasTransactionsError
    paid_sat = sum(output.amount_sat for output in block.transactions[0].outputs)
    return "bad-cb-amount" if paid_sat > subsidy_sat(height) else None

"""Shapes of Core's answers about blocks: headers, blocks, transactions."""

from typing import Any

from kench.node.blocks import Block, Transaction
from kench.node.chain import Chain
from kench.node.kernel import Entry
from kench.node.template import BITS, BLOCK_WORK, POW_LIMIT
from kench.pool.address import address_of, describe
from kench.pool.bitcoin import hash_hex

NETWORK = "regtest"
COIN = 100_000_000


def difficulty(nbits: int) -> float:
    """Difficulty of a compact target, to the 16 digits that Core prints."""
    value = 0xFFFF / (nbits & 0xFF_FFFF) * 256.0 ** (29 - (nbits >> 24))
    return float(f"{value:.16g}")


def chainwork(height: int) -> str:
    """Work of a chain up to that height: every regtest block has the same."""
    return f"{(height + 1) * BLOCK_WORK:064x}"


def header_answer(chain: Chain, entry: Entry, transactions: int) -> dict[str, Any]:
    """Answer of getblockheader; `confirmations` is -1 off the best chain."""
    on_chain = chain.is_on_best_chain(entry)
    answer: dict[str, Any] = {
        "hash": entry.hash,
        "confirmations": chain.kernel.tip().height - entry.height + 1 if on_chain else -1,
        "height": entry.height,
        "version": entry.version,
        "versionHex": f"{entry.version & 0xFFFF_FFFF:08x}",
        "merkleroot": hash_hex(entry.header[36:68]),
        "time": entry.time_s,
        "mediantime": chain.median_time(entry),
        "nonce": int.from_bytes(entry.header[76:80], "little"),
        "bits": f"{entry.nbits:08x}",
        "target": f"{POW_LIMIT:064x}",
        "difficulty": difficulty(entry.nbits),
        "chainwork": chainwork(entry.height),
        "nTx": transactions,
    }
    if entry.height:
        answer["previousblockhash"] = entry.previous
    following = chain.kernel.at(entry.height + 1) if on_chain else None
    if following is not None:
        answer["nextblockhash"] = following.hash
    return answer


def block_answer(chain: Chain, entry: Entry, block: Block, verbosity: int) -> dict[str, Any]:
    """Answer of getblock: transaction ids at verbosity 1, transactions from 2 up."""
    coinbase = block.transactions[0]
    start = coinbase.inputs[0]
    about_coinbase: dict[str, Any] = {
        "version": coinbase.version,
        "locktime": coinbase.locktime,
        "sequence": start.sequence,
        "coinbase": start.script_sig.hex(),
    }
    if start.witness:
        about_coinbase["witness"] = start.witness[0].hex()
    if verbosity == 1:
        transactions: list[Any] = [hash_hex(one.txid_le) for one in block.transactions]
    else:
        transactions = [transaction_answer(one) for one in block.transactions]
    return {
        **header_answer(chain, entry, len(block.transactions)),
        "strippedsize": block.stripped_size,
        "size": block.size,
        "weight": block.weight,
        "coinbase_tx": about_coinbase,
        "tx": transactions,
    }


def transaction_answer(transaction: Transaction) -> dict[str, Any]:
    """One transaction of getblock; scripts as hex and address, without disassembly."""
    return {
        "txid": hash_hex(transaction.txid_le),
        "hash": hash_hex(transaction.wtxid_le),
        "version": transaction.version,
        "size": len(transaction.raw),
        "vsize": (transaction.weight + 3) // 4,
        "weight": transaction.weight,
        "locktime": transaction.locktime,
        "vin": [_input_answer(transaction, i) for i in range(len(transaction.inputs))],
        "vout": [
            {
                "value": output.amount_sat / COIN,
                "n": i,
                "scriptPubKey": _script_answer(output.script),
            }
            for i, output in enumerate(transaction.outputs)
        ],
        "hex": transaction.raw.hex(),
    }


def _input_answer(transaction: Transaction, index: int) -> dict[str, Any]:
    one = transaction.inputs[index]
    if transaction.is_coinbase:
        answer: dict[str, Any] = {"coinbase": one.script_sig.hex()}
    else:
        answer = {
            "txid": hash_hex(one.outpoint[:32]),
            "vout": int.from_bytes(one.outpoint[32:], "little"),
            "scriptSig": {"hex": one.script_sig.hex()},
        }
    if one.witness:
        answer["txinwitness"] = [item.hex() for item in one.witness]
    answer["sequence"] = one.sequence
    return answer


def _script_answer(script: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = {"hex": script.hex()}
    address = address_of(script, NETWORK)
    if address is not None:
        answer["address"] = address
        answer["type"] = describe(address, NETWORK).kind
    else:
        answer["type"] = "nulldata" if script[:1] == b"\x6a" else "nonstandard"
    return answer


def next_answer(height: int) -> dict[str, Any]:
    """What getmininginfo says of the block to come."""
    return {
        "height": height,
        "bits": f"{BITS:08x}",
        "difficulty": difficulty(BITS),
        "target": f"{POW_LIMIT:064x}",
    }

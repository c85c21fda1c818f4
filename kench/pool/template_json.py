"""Reading a template's JSON fast: only what is asked of a template becomes objects.

The json module takes some milliseconds to make objects of all that three thousand transactions
say, while miners wait for the new tip and other threads for the interpreter. msgspec takes one: it
passes over the rest.
"""

from typing import Any, TypedDict

import msgspec

from kench.pool.rpc_json import decode_json, exact_number


class TransactionAnswer(TypedDict, total=False):
    """What Template.parse asks of each transaction, whatever the node says there."""

    data: Any
    txid: Any
    hash: Any
    weight: Any
    sigops: Any


class TemplateAnswer(TypedDict, total=False):
    """What Template.parse asks of getblocktemplate's result, whatever the node says there."""

    transactions: list[TransactionAnswer]
    rules: Any
    version: Any
    vbrequired: Any
    previousblockhash: Any
    height: Any
    bits: Any
    target: Any
    curtime: Any
    mintime: Any
    coinbasevalue: Any
    coinbaseaux: Any
    default_witness_commitment: Any
    sigoplimit: Any
    weightlimit: Any
    longpollid: Any


class _Answer(TypedDict, total=False):
    result: TemplateAnswer
    error: Any


_DECODER = msgspec.json.Decoder(_Answer, float_hook=exact_number)


def decode_template_answer(body: bytes | bytearray) -> Any:
    """Decode an answer to getblocktemplate to what decode_json gives, less what nobody asks for.

    Raises ValueError or RecursionError.
    """
    try:
        return _DECODER.decode(body)
    except (ValueError, RecursionError):
        # An error, a refusal or no JSON at all: reading it as any other answer tells.
        return decode_json(body)

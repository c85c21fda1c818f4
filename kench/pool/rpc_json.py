"""Reading a node's JSON: exact numbers, and large templates without holding up other threads.

The json module holds the interpreter for a whole answer: 30 ms for a template of 7 MB, in which an
event loop in another thread stands still. So a template's transactions are read one by one, with
pauses in which others run.
"""

import json
import re
import time
from decimal import Decimal
from typing import Any, NoReturn

# An answer shorter than this is read in well under a millisecond.
PIECES_FROM_BYTES = 128 * 1024
# So many transactions take about half a millisecond.
TRANSACTIONS_PER_PIECE = 100
# Long enough for a waiting thread to wake up and take its turn; sleep(0) is not.
PAUSE_S = 0.000_05

# Inside a JSON string the quotes would be escaped, so this is always a key.
_TRANSACTIONS_KEY = re.compile(r'"transactions"\s*:\s*\[')
# Stands for the transactions while the rest is read.
_PLACE_KEPT = "kench: transactions"
_BETWEEN = re.compile(r"[\s,]*")


def decode_json(body: bytes) -> Any:
    """Decode an answer; a number with a point becomes a Decimal, so that no satoshi is rounded.

    Raises ValueError or RecursionError.
    """
    return _DECODER.decode(body.decode())


def decode_template_answer(body: bytes) -> Any:
    """Decode an answer to getblocktemplate, in pieces, to what decode_json gives."""
    if len(body) < PIECES_FROM_BYTES:
        return decode_json(body)
    text = body.decode()
    key = _TRANSACTIONS_KEY.search(text)
    if key is None or _PLACE_KEPT in text:
        return _DECODER.decode(text)
    transactions, end = _decode_list(text, key.end())
    answer = _DECODER.decode(f'{text[: key.end()]}"{_PLACE_KEPT}"{text[end:]}')
    result = answer.get("result") if isinstance(answer, dict) else None
    if not isinstance(result, dict) or result.get("transactions") != [_PLACE_KEPT]:
        # Not where a template has its transactions: read it as any other answer.
        return _DECODER.decode(text)
    result["transactions"] = transactions
    return answer


def _decode_list(text: str, start: int) -> tuple[list[Any], int]:
    """Decode a list's elements from after its bracket; return them and the place of its end."""
    elements: list[Any] = []
    place = _skip(text, start)
    while text[place : place + 1] != "]":
        element, place = _DECODER.raw_decode(text, place)
        elements.append(element)
        if len(elements) % TRANSACTIONS_PER_PIECE == 0:
            time.sleep(PAUSE_S)
        place = _skip(text, place)
    return elements, place


def _skip(text: str, place: int) -> int:
    found = _BETWEEN.match(text, place)
    return found.end() if found else place


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)

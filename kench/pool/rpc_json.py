"""Reading a node's JSON: exact numbers, and large templates without holding up other threads.

The json module holds the interpreter for a whole answer: some milliseconds for a full template, in
which an event loop in another thread stands still. So a template's transactions are read some
hundred at a time, with pauses in which others run.
"""

import json
import re
import time
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

# An answer shorter than this is read in well under a millisecond.
PIECES_FROM_BYTES = 256 * 1024
# So much of a list of transactions takes about half a millisecond.
PIECE_CHARACTERS = 256 * 1024
# Long enough for a waiting thread to wake up and take its turn; sleep(0) is not.
PAUSE_S = 0.000_05
# No node has a number of more digits: hashes a second have 22.
EXPONENT_MAX = 100

# Inside a JSON string the quotes would be escaped, so this is always a key.
_TRANSACTIONS_KEY = re.compile(r'"transactions"\s*:\s*\[')
# Where one transaction ends and the next begins, or something else that looks like it.
_SEAM = re.compile(r"\}\s*,\s*\{")
# Stands for the transactions while the rest is read.
_PLACE_KEPT = "kench: transactions"


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
    if key is None:
        return _DECODER.decode(text)
    try:
        transactions, end = _decode_list(text, key.end())
        before, after = text[: key.end()], text[end:]
        if _PLACE_KEPT in before or _PLACE_KEPT in after:
            return _DECODER.decode(text)
        answer = _DECODER.decode(f'{before}"{_PLACE_KEPT}"{after}')
    except ValueError:
        # A seam was none, or this is no JSON: reading it as any other answer tells.
        return _DECODER.decode(text)
    result = answer.get("result") if isinstance(answer, dict) else None
    if not isinstance(result, dict) or result.get("transactions") != [_PLACE_KEPT]:
        # Not where a template has its transactions: read it as any other answer.
        return _DECODER.decode(text)
    result["transactions"] = transactions
    return answer


def _decode_list(text: str, start: int) -> tuple[list[Any], int]:
    """Decode a list's elements from after its bracket; return them and the place of its end.

    The list is cut at seams. A seam inside an element leaves a bracket or a quote open in the piece
    before it, which is then no JSON. Raises ValueError.
    """
    elements: list[Any] = []
    while (seam := _SEAM.search(text, start + PIECE_CHARACTERS)) is not None:
        elements += _DECODER.decode(f"[{text[start : seam.start() + 1]}]")
        start = seam.end() - 1
        time.sleep(PAUSE_S)
    # The bracket stands in for the list's own, or for a comma.
    rest, length = _DECODER.raw_decode(f"[{text[start:]}")
    return elements + rest, start + length - 2


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _exact(text: str) -> Decimal:
    """Read a number with a point or an exponent; one beyond all amounts is refused.

    Making an integer of 1e999999999 would never end.
    """
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError("a number beyond all numbers") from None
    if number.adjusted() > EXPONENT_MAX:
        raise ValueError("a number beyond all amounts")
    return number


_DECODER = json.JSONDecoder(parse_float=_exact, parse_constant=_refuse_constant)

"""Reading a node's JSON, with exact numbers."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

# No node has a number of more digits: hashes a second have 22.
EXPONENT_MAX = 100


def decode_json(body: bytes | bytearray) -> Any:
    """Decode an answer; a number with a point becomes a Decimal, so that no satoshi is rounded.

    Raises ValueError or RecursionError.
    """
    return _DECODER.decode(body.decode())


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def exact_number(text: str) -> Decimal:
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


_DECODER = json.JSONDecoder(parse_float=exact_number, parse_constant=_refuse_constant)

"""Canonical JSON: one text for one value, so that no byte of a proof can change unseen.

UTF-8, keys sorted, no blanks, no fractions. Work in hashes is a string of decimal digits, for many
readers of JSON round large numbers; bytes are lowercase hex. What is read must be written the same
way again, and have exactly the keys of its shape.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from kench.payouts.proofs.errors import ProofRefusedError

Shape = Callable[[object], bool] | dict[str, "Shape"] | list["Shape"]
"""A question about a value; a dict has just these keys; a list any number of one shape."""
_DECIMAL = re.compile(r"(?:0|[1-9][0-9]{0,77})\Z")
_NATURAL_MAX = 2**63 - 1


def encode(value: object) -> bytes:
    """Return the one text of a value."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def decode(raw: bytes, shape: Shape, what: str) -> dict[str, Any]:
    """Read an object of this shape. Raises ProofRefusedError, which names `what`."""
    try:
        value = json.loads(raw, parse_float=_refuse, parse_constant=_refuse)
        is_canonical = encode(value) == raw
    except (ValueError, RecursionError) as broken:
        raise ProofRefusedError(f"{what} cannot be read: {_first(broken)}") from broken
    if not is_canonical:
        raise ProofRefusedError(f"{what} is not written in the canonical way: it was changed")
    _check(value, shape, what)
    if not isinstance(value, dict):
        raise ProofRefusedError(f"{what} is no object")
    return value


def natural(value: object) -> bool:
    """Whether a value is a number from 0 up that fits 63 bits; true and false are none."""
    return type(value) is int and 0 <= value <= _NATURAL_MAX


def decimal(value: object) -> bool:
    """Whether a value is a number from 0 up, written as a string of at most 78 digits."""
    return isinstance(value, str) and _DECIMAL.match(value) is not None


def text(value: object) -> bool:
    """Whether a value is a string."""
    return isinstance(value, str)


def truth(value: object) -> bool:
    """Whether a value is true or false."""
    return isinstance(value, bool)


def hex_of(size: int) -> Callable[[object], bool]:
    """Make the shape of so many bytes in lowercase hex."""
    pattern = re.compile(rf"[0-9a-f]{{{size * 2}}}\Z")
    return lambda value: isinstance(value, str) and pattern.match(value) is not None


def exactly(wanted: object) -> Callable[[object], bool]:
    """Make the shape that one value has."""
    return lambda value: type(value) is type(wanted) and value == wanted


def _check(value: object, shape: Shape, where: str) -> None:
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise ProofRefusedError(f"{where} is no object")
        if missing := sorted(shape.keys() - value.keys()):
            raise ProofRefusedError(f"{where} has no {missing[0]}")
        if beyond := sorted(value.keys() - shape.keys()):
            raise ProofRefusedError(f"{where} has {beyond[0][:40]!r}, which nobody knows")
        for name, part in shape.items():
            _check(value[name], part, f"{where}: {name}")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise ProofRefusedError(f"{where} is no list")
        for number, part in enumerate(value):
            _check(part, shape[0], f"{where}, {number}")
    elif not shape(value):
        raise ProofRefusedError(f"{where} is not what it should be: {str(value)[:80]!r}")


def _refuse(constant: str) -> object:
    raise ValueError(f"there are no fractions here: {constant[:40]}")


def _first(broken: Exception) -> str:
    lines = str(broken).splitlines()
    return lines[0][:120] if lines else type(broken).__name__

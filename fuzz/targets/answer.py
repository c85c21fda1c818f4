"""Of any answer of a node, what makes a template reads the same fast and whole, or is refused.

Where the whole is refused, what nobody asks for may be the reason: then the fast way may read it.
"""

from collections.abc import Callable

from kench.pool.rpc_json import decode_json
from kench.pool.template_json import decode_template_answer
from tests.support.answers import asked_of

EXECUTIONS = 200
LENGTH_MAX = 1500
_REFUSED = "refused"


def check(data: bytes) -> None:
    """Hold the answer to the invariant."""
    whole = _read(decode_json, data)
    fast = _read(decode_template_answer, data)
    assert whole in {fast, _REFUSED}


def _read(decode: Callable[[bytes], object], data: bytes) -> str:
    """Return what was read, types and all, or that it was refused."""
    try:
        return repr(asked_of(decode(data)))
    except (ValueError, RecursionError):
        return _REFUSED

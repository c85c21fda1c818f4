"""Any answer of a node reads the same whole and in pieces, or is refused both ways."""

from collections.abc import Callable

from kench.pool import rpc_json

EXECUTIONS = 200
LENGTH_MAX = 1500


def check(data: bytes) -> None:
    """Hold the answer to the invariant."""
    whole = _read(rpc_json.decode_json, data)
    kept = rpc_json.PIECES_FROM_BYTES, rpc_json.PIECE_CHARACTERS, rpc_json.PAUSE_S
    # So small that an input of a few hundred bytes is cut often.
    rpc_json.PIECES_FROM_BYTES, rpc_json.PIECE_CHARACTERS, rpc_json.PAUSE_S = 0, 8, 0.0
    try:
        pieces = _read(rpc_json.decode_template_answer, data)
    finally:
        rpc_json.PIECES_FROM_BYTES, rpc_json.PIECE_CHARACTERS, rpc_json.PAUSE_S = kept
    assert pieces == whole


def _read(decode: Callable[[bytes], object], data: bytes) -> str:
    """Return what was read, types and all, or that it was refused."""
    try:
        return repr(decode(data))
    except (ValueError, RecursionError):
        return "refused"

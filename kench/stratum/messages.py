"""Stratum V1 on the wire: lines parsed with distrust, answers encoded."""

import json
import math
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

from kench.native import Verdict
from kench.pool.work import wire_difficulty

# JSON deeper than this is nobody's Stratum (A1.5).
DEPTH_MAX = 32

Id = int | float | str | None


class BadMessageError(ValueError):
    """A line that is no Stratum message; the peer is told and may earn a disconnection (A1.5)."""


class Request(NamedTuple):
    """A request or notification of a miner; `id` is None where no answer may be sent (A1.8)."""

    id: Id
    method: str
    params: Any


def parse_line(line: bytes) -> Request | None:
    """Parse one line without its end; None for an answer to a question of ours (A1.9).

    It has no blanks around it. An object without a method, or with one that is no text, is a
    request for no method at all.
    Raises BadMessageError for anything that is not a JSON object Stratum could mean.
    """
    try:
        text = line.decode()
        message, end = _decode(text)
    except (ValueError, RecursionError) as broken:
        raise BadMessageError from broken
    if end != len(text):
        raise BadMessageError
    # Few lines have so many brackets that it is worth looking how deep they stand.
    if line.count(b"[") + line.count(b"{") > DEPTH_MAX and _is_deep(message):
        raise BadMessageError
    if not isinstance(message, dict):
        raise BadMessageError
    method = message.get("method")
    if method is None and ("result" in message or "error" in message):
        return None
    request_id = message.get("id")
    if isinstance(request_id, bool | list | dict):
        raise BadMessageError
    return Request(request_id, method if isinstance(method, str) else "", message.get("params"))


def _is_deep(message: object) -> bool:
    """Say whether arrays and objects stand in each other more than DEPTH_MAX deep."""
    level = [message]
    for _ in range(DEPTH_MAX):
        inner: list[object] = []
        for one in level:
            if isinstance(one, dict):
                inner.extend(one.values())
            elif isinstance(one, list):
                inner.extend(one)
        if not inner:
            return False
        level = inner
    return any(isinstance(one, dict | list) for one in level)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number beyond every difficulty")
    return number


# Made once: json.loads and json.dumps make such an object for each call with options.
_decode = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite).raw_decode
_encode = json.JSONEncoder(separators=(",", ":")).encode


def answer(request_id: Id, result: object) -> bytes:
    """Encode a success; the id is echoed with its JSON type and value (A1.7)."""
    spelled = "true" if result is True else _encode(result)
    return f'{{"id":{_spell(request_id)},"result":{spelled},"error":null}}\n'.encode()


def subscribed(request_id: Id, session_id: str, extranonce1: bytes, size: int) -> bytes:
    """Encode the answer to `mining.subscribe`, byte for byte as it is expected (A2.3)."""
    return (
        f'{{"id":{_spell(request_id)},"result":[[["mining.set_difficulty","{session_id}"],'
        f'["mining.notify","{session_id}"]],"{extranonce1.hex()}",{size}],"error":null}}\n'
    ).encode()


def refusal(request_id: Id, verdict: Verdict, result: object = None) -> bytes:
    """Encode a refusal: the three-element error array that miners read (A8.2)."""
    return error(request_id, verdict.code, verdict.text, result)


def error(request_id: Id, code: int, text: str, result: object = None) -> bytes:
    """Encode an error."""
    return _line({"id": request_id, "result": result, "error": [code, text, None]})


def notification(method: str, *params: object) -> bytes:
    """Encode a message of ours that wants no answer."""
    return _line({"id": None, "method": method, "params": params})


def ping(request_id: int) -> bytes:
    """Encode the question that keeps a line alive while there is no new work (A7.4)."""
    return _line({"id": request_id, "method": "mining.ping", "params": []})


def reconnect(request_id: Id = None) -> bytes:
    """Encode the request to connect again to the same place (A9.5)."""
    return _line({"id": request_id, "method": "client.reconnect", "params": []})


@lru_cache(maxsize=4096)
def set_difficulty(difficulty: float) -> bytes:
    """Encode `mining.set_difficulty`, its number as `wire_difficulty` spells it (A6.2)."""
    number = wire_difficulty(difficulty).encode()
    return b'{"id":null,"method":"mining.set_difficulty","params":[%b]}\n' % number


def set_version_mask(mask: int) -> bytes:
    """Encode `mining.set_version_mask`, which only a client that configured may hear (A4.5)."""
    return notification("mining.set_version_mask", f"{mask:08x}")


def _spell(request_id: Id) -> str:
    return str(request_id) if type(request_id) is int else _encode(request_id)


def _line(message: dict[str, Any]) -> bytes:
    return _encode(message).encode() + b"\n"

"""Requests as miners might write them, right and wrong, made from the choices of a Source."""

import json
from typing import Any

from fuzz.source import Source

TOKEN = "0123456789abcdef" * 2
METHODS = (
    "mining.subscribe",
    "mining.authorize",
    "mining.submit",
    "mining.configure",
    "mining.suggest_difficulty",
    "mining.suggest_target",
    "mining.extranonce.subscribe",
    "mining.multi_version",
    "mining.ping",
    "mining.get_transactions",
    "mining.suggest_difficulty(3)",
    'mining.get_transactions("1")',
    "pong",
    "mining.unheard_of",
)
TELLING = (
    "1.w1",
    "1.w2",
    "1.new",
    "1",
    "2.w1",
    "3.w1",
    "9",
    TOKEN,
    f"{TOKEN},d=1024",
    "d=0.5,md=1e9",
    "version-rolling",
    "minimum-difficulty",
    "subscribe-extranonce",
    "ffffffff",
    "1fffe000",
    "0",
    "00" * 8,
    "ff" * 32,
    "cgminer/4.11.1",
    "NiceHash/1.0.0",
    "5e550001",
    "NerdOCTAXE-γ/BM1370/v1.0.36",
)
OPTIONS = ("version-rolling.mask", "version-rolling.min-bit-count", "minimum-difficulty.value")
NUMBERS = (0, 1, -1, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, 10**30, 0.5, -0.0, 1e-300, 1.7e308)
DEPTH_MAX = 4


def value(source: Source, depth: int = 0) -> Any:
    """Make any JSON value."""
    kind = source.below(10 if depth < DEPTH_MAX else 7)
    if kind == 9:
        return {
            source.pick(OPTIONS) if source.below(2) else source.text(8): value(source, depth + 1)
            for _ in range(source.below(4))
        }
    if kind >= 7:
        return [value(source, depth + 1) for _ in range(source.below(5))]
    return _scalar(source, kind)


def _scalar(source: Source, kind: int) -> Any:
    if kind <= 1:
        return source.pick(TELLING)
    if kind == 2:
        return source.pick(NUMBERS)
    if kind == 3:
        return source.number(4)
    if kind == 4:
        return source.pick((None, True, False))
    return source.text(20)


def request_id(source: Source) -> int | float | str | None:
    """Make an id of any kind that a request may carry."""
    kind = source.below(6)
    if kind == 0:
        return source.number(8)
    if kind == 1:
        return None
    if kind == 2:
        return source.text(10)
    if kind == 3:
        return source.pick((-1, 0, 0.5, 1e300, 10**18 - 1, 10**18, 2**64, 10**40))
    return source.byte()


def login(source: Source) -> list[dict[str, Any]]:
    """Make the requests that begin most conversations."""
    return [
        {"id": source.byte(), "method": "mining.subscribe", "params": ["fuzz/1.0"]},
        {"id": source.byte(), "method": "mining.authorize", "params": ["1.w1", TOKEN]},
    ]


def request(source: Source) -> dict[str, Any]:
    """Make one request; its method may be none that we know, its params of any shape."""
    method = source.text(12) if source.once_in(16) else source.pick(METHODS)
    message: dict[str, Any] = {"id": request_id(source), "method": method}
    shape = source.below(8)
    if shape == 7:
        message["params"] = value(source)
    elif shape:
        message["params"] = [value(source, 1) for _ in range(shape)]
    return message


def encode(source: Source, message: dict[str, Any]) -> bytes:
    """Write a message as one of the ways that clients write JSON."""
    style = source.below(4)
    if style == 3:
        message = dict(reversed(message.items()))
    spaced = (", ", ": ") if style == 1 else (",", ":")
    line = json.dumps(message, ensure_ascii=style != 2, separators=spaced)
    return line.encode(errors="replace") + (b"\r\n" if style == 1 else b"\n")

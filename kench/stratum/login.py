"""What a miner's user name and password say: participant, worker, token, difficulty wishes."""

import math
import re
from typing import Any, NamedTuple

DEFAULT_WORKER = "default"
WORKER_NAME_MAX = 64
_PARTICIPANT = re.compile(r"[1-9][0-9]{0,9}")
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?")


class Login(NamedTuple):
    """A user name taken apart: `<participant id>.<worker>`."""

    participant: int
    worker: str


class Password(NamedTuple):
    """A password taken apart: candidates for the token, and difficulty options (A3.7)."""

    tokens: tuple[str, ...]
    start_difficulty: float | None
    minimum_difficulty: float | None


def parse_login(user: object) -> Login | None:
    """Split a user name at its first dot (A3.2); None where it can be nobody's.

    Without a dot the worker is `default`. Worker names keep any printable text of 64 code points.
    """
    if not isinstance(user, str):
        return None
    participant, _, worker = user.partition(".")
    worker = worker or DEFAULT_WORKER
    if not _PARTICIPANT.fullmatch(participant):
        return None
    if len(worker) > WORKER_NAME_MAX or not worker.isprintable():
        return None
    return Login(int(participant), worker)


def parse_password(password: object) -> Password:
    """Read a password: anything is a password, and nothing in it is an error (A3.2, A3.7)."""
    text = password if isinstance(password, str) else str(password or "")
    if text.isalnum() and len(text) <= 512:  # nothing but a token
        return Password((text,), None, None)
    tokens: list[str] = []
    options: dict[str, float] = {}
    for part in text[:512].split(","):
        key, equals, value = part.strip().partition("=")
        key = key.strip().lower()
        if equals and key in {"d", "diff", "md"}:
            number = parse_difficulty(value)
            if number is not None:
                options["md" if key == "md" else "d"] = number
        elif part.strip():
            tokens.append(part.strip())
    return Password(tuple(tokens[:4]), options.get("d"), options.get("md"))


def parse_difficulty(value: Any) -> float | None:
    """Read a wished-for difficulty, a JSON number or text; None unless positive and finite."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return None
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if number > 0 and math.isfinite(number) else None


def printable(text: str, limit: int) -> str:
    """Return text fit for logs and pages: no controls, at most `limit` code points (A1.16)."""
    if len(text) <= limit and text.isprintable():
        return text
    return "".join(letter for letter in text[: limit * 2] if letter.isprintable())[:limit]

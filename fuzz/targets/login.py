"""Whatever stands as user, password, agent or difficulty: no exception, and only what is lawful."""

import math

from fuzz import json_lines
from fuzz.source import Source
from kench.stratum.login import (
    WORKER_NAME_MAX,
    parse_difficulty,
    parse_login,
    parse_password,
    printable,
)

EXECUTIONS = 190
LENGTH_MAX = 700


def check(data: bytes) -> None:
    """Hold a JSON value, and a text, to the invariant."""
    source = Source(data)
    given = (
        json_lines.value(source) if source.below(2) else source.rest().decode("utf-8", "replace")
    )
    _check_login(given)
    _check_password(given)
    _check_difficulty(parse_difficulty(given))
    shown = printable(str(given), 20)
    assert shown.isprintable()
    assert len(shown) <= 20


def _check_login(user: object) -> None:
    login = parse_login(user)
    if login is None:
        return
    assert 1 <= login.participant < 10**10
    assert 1 <= len(login.worker) <= WORKER_NAME_MAX
    assert login.worker.isprintable()
    assert parse_login(f"{login.participant}.{login.worker}") == login


def _check_password(text: object) -> None:
    password = parse_password(text)
    assert len(password.tokens) <= 4
    assert all(token and token == token.strip() for token in password.tokens)
    _check_difficulty(password.start_difficulty)
    _check_difficulty(password.minimum_difficulty)


def _check_difficulty(number: float | None) -> None:
    assert number is None or (type(number) is float and number > 0 and math.isfinite(number))

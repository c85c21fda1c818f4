"""What the local provider answers: checks by transfer, behaviours by rule, queue states by polls.

It serves development and tests. A rule names transfers by the beginning of their transaction id or
by their address, and what is done to them; the first that fits counts. Without one a transfer is
clean: fresh coins of a miner.
"""

import enum
import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kench.pool.errors import KenchError

CHECKS_MAX = 100_000
"""Checks remembered; beyond, the oldest is forgotten."""
RULES_MAX = 10_000
CLEAN_SCORE = "0.0100"


class RulesFileError(KenchError):
    """The file of rules cannot be taken."""


class Behaviour(enum.StrEnum):
    """What the provider does with a transfer."""

    ANSWER = "answer"
    NULL_SCORE = "null_score"
    NEVER_ENDS = "never_ends"
    FAILS = "fails"
    SLOW = "slow"
    SERVER_ERROR = "server_error"
    BUSY = "busy"
    TRUNCATED = "truncated"
    WRONG_TYPES = "wrong_types"
    NOT_A_NUMBER = "not_a_number"
    OTHER_TRANSFER = "other_transfer"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which transfers it is about, and what is done to them."""

    txid: str = ""
    address: str = ""
    behaviour: Behaviour = Behaviour.ANSWER
    score: str = CLEAN_SCORE
    level: str = "low"
    signals: dict[str, str] = field(default_factory=lambda: {"miner": "1"})
    alerts: tuple[str, ...] = ()
    polls: int = 1
    """Answers `queued` or `checking` that come before the last one."""
    delay_s: float = 0.0

    def fits(self, txid: str, address: str) -> bool:
        """Whether this rule is about such a transfer; an empty part fits all."""
        return txid.startswith(self.txid) and self.address in {"", address}


@dataclass(slots=True)
class _Check:
    client_id: str
    rule: Rule
    polls: int = 0


class LocalProvider:
    """The checks of one provider, for any number of threads."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        """Create it without checks."""
        self._rules = list(rules)
        self._checks: dict[str, _Check] = {}
        self._lock = threading.Lock()

    def set_rules(self, rules: Sequence[Rule]) -> None:
        """Exchange the rules, for transfers that come from now on."""
        with self._lock:
            self._rules = list(rules)

    def register(self, client_id: str, txid: str, address: str) -> tuple[str, Rule]:
        """Take a transfer; return its check's id, the same each time, and its rule."""
        id_ = hashlib.sha256(client_id.encode()).hexdigest()[:32]
        with self._lock:
            check = self._checks.get(id_)
            if check is None:
                rule = next((rule for rule in self._rules if rule.fits(txid, address)), Rule())
                if len(self._checks) >= CHECKS_MAX:
                    del self._checks[next(iter(self._checks))]
                check = self._checks[id_] = _Check(client_id, rule)
            return id_, check.rule

    def poll(self, id_: str) -> tuple[dict[str, Any], Rule] | None:
        """Answer as the check stands, and let it go on; None where there is no such check."""
        with self._lock:
            check = self._checks.get(id_)
            if check is None:
                return None
            check.polls += 1
            return _answer(id_, check), check.rule


def read_rules(path: Path) -> list[Rule]:
    """Read a JSON array of rules. Raises RulesFileError."""
    try:
        entries = json.loads(path.read_text())
        if not isinstance(entries, list) or len(entries) > RULES_MAX:
            raise TypeError("it is no array of rules")
        return [_rule(entry) for entry in entries]
    except (OSError, ValueError, TypeError) as error:
        raise RulesFileError(
            f"{path} holds no rules for the screening provider ({error}): write a JSON array such "
            'as [{"address": "bcrt1...", "score": "0.9"}]'
        ) from error


def _rule(entry: object) -> Rule:
    if not isinstance(entry, dict):
        raise TypeError("a rule is an object")
    behaviour = Behaviour(entry.get("behaviour", Behaviour.ANSWER))
    alerts = tuple(entry.get("alerts", ()))
    return Rule(**{**entry, "behaviour": behaviour, "alerts": alerts})


def _answer(id_: str, check: _Check) -> dict[str, Any]:
    rule = check.rule
    state = "checked"
    if check.polls <= rule.polls or rule.behaviour is Behaviour.NEVER_ENDS:
        state = "queued" if check.polls == 1 else "checking"
    elif rule.behaviour is Behaviour.FAILS:
        state = "failed"
    ended = state == "checked"
    has_score = ended and rule.behaviour is not Behaviour.NULL_SCORE
    return {
        "id": id_,
        "client_id": check.client_id,
        "check_state": state,
        "risk_score": rule.score if has_score else None,
        "risk_level": rule.level if has_score else "undefined",
        "signals": dict(rule.signals) if ended else {},
        "alerts": list(rule.alerts) if ended else [],
    }

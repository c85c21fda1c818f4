"""What a miner says to a pool and hears from it: Stratum V1 without a socket.

Bytes in, events out; whatever must be sent is taken with `take_output`. One conversation is one
connection. Order: subscribe, authorize, then jobs come and shares go.
"""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from kench.miner.job import Job, parse_notify
from kench.pool.errors import KenchError
from kench.pool.work import target_of

AGENT = "kench-cpu/0.1"
LINE_BYTES_MAX = 1 << 20
"""A notify with the largest coinbase and branches is a few kilobytes; this is no pool of ours."""
PENDING_MAX = 4096
"""Shares sent and not answered yet; past it the pool is stuck and the line is dropped."""

_SUBSCRIBE, _AUTHORIZE, _FIRST_SHARE = 1, 2, 3


class PoolMisbehavedError(KenchError):
    """The pool sent what Stratum does not allow; the connection is of no use."""


class LoggedIn(NamedTuple):
    """The pool took the login."""


class LoginRefused(NamedTuple):
    """The pool knows no such worker or password."""

    reason: str


class JobCame(NamedTuple):
    """Work on this from now on; with `clean`, older jobs are worth nothing any more."""

    job: Job
    clean: bool


class ShareAnswered(NamedTuple):
    """The pool accepted a share (`refusal` is None) or refused it."""

    refusal: str | None


class Told(NamedTuple):
    """The pool has words for the people who run the miner."""

    text: str


class LeaveAsked(NamedTuple):
    """The pool asks to connect again."""


Event = LoggedIn | LoginRefused | JobCame | ShareAnswered | Told | LeaveAsked


@dataclass(frozen=True, slots=True)
class _Subscription:
    extranonce1: bytes
    extranonce2_size: int


class Conversation:
    """One connection's worth of Stratum, from subscribe on."""

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._received = bytearray()
        self._output = bytearray()
        self._subscription: _Subscription | None = None
        self._target = target_of(1.0)  # a miner that was told nothing works at difficulty 1
        self._next_id = _FIRST_SHARE
        self._pending: set[int] = set()
        self._ask(_SUBSCRIBE, "mining.subscribe", [AGENT])

    def take_output(self) -> bytes:
        """Return the bytes to be sent now."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def submit(self, job: Job, extranonce2: bytes, nonce: int) -> None:
        """Offer a share of `job`. Raises PoolMisbehavedError when the pool stopped answering."""
        if len(self._pending) >= PENDING_MAX:
            raise PoolMisbehavedError(f"the pool leaves {PENDING_MAX} shares without an answer")
        self._pending.add(self._next_id)
        words = [self._user, job.job_id, extranonce2.hex(), f"{job.ntime:08x}", f"{nonce:08x}"]
        self._ask(self._next_id, "mining.submit", words)
        self._next_id += 1

    def receive(self, data: bytes) -> list[Event]:
        """Take what came from the socket; return what it means. Raises PoolMisbehavedError."""
        self._received += data
        *lines, rest = bytes(self._received).split(b"\n")
        self._received[:] = rest
        if len(rest) > LINE_BYTES_MAX:
            raise PoolMisbehavedError(f"the pool sent a line of more than {LINE_BYTES_MAX} bytes")
        events = [self._take_line(line) for line in lines if line.strip()]
        return [event for event in events if event is not None]

    def _ask(self, number: int, method: str, params: list[Any]) -> None:
        request = {"id": number, "method": method, "params": params}
        self._output += json.dumps(request).encode() + b"\n"

    def _take_line(self, line: bytes) -> Event | None:
        try:
            message = json.loads(line)
            if message.get("method") is not None:
                return self._take_call(message["method"], message.get("params"), message.get("id"))
            return self._take_answer(message["id"], message.get("result"), message.get("error"))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise PoolMisbehavedError(f"the pool sent a malformed line: {line[:80]!r}") from error

    def _take_answer(self, number: int, result: Any, error: Any) -> Event | None:
        if number == _SUBSCRIBE:
            self._subscribe_done(result)
            return None
        if number == _AUTHORIZE:
            return LoggedIn() if result is True else LoginRefused(_reason(error))
        if number in self._pending:
            self._pending.discard(number)
            return ShareAnswered(None if result is True else _reason(error))
        return None

    def _subscribe_done(self, result: Any) -> None:
        extranonce1, size = bytes.fromhex(result[1]), int(result[2])
        if not 1 <= size <= 16:
            raise ValueError("extranonce2 of a size that makes no sense")
        self._subscription = _Subscription(extranonce1, size)
        self._ask(_AUTHORIZE, "mining.authorize", [self._user, self._password])

    def _take_call(self, method: str, params: Any, number: Any) -> Event | None:
        if method == "mining.notify":
            return self._take_notify(params)
        if method == "mining.set_difficulty":
            # It holds from the next job on, as for the hardware of the field.
            self._target = target_of(float(params[0]))
        elif method == "client.show_message":
            return Told(str(params[0]))
        elif method == "client.reconnect":
            return LeaveAsked()
        elif number is not None:
            refusal = {"id": number, "result": None, "error": [-3, "Method not found", None]}
            self._output += json.dumps(refusal).encode() + b"\n"
        return None

    def _take_notify(self, params: Any) -> Event:
        if self._subscription is None:
            raise ValueError("a job before the answer to subscribe")
        subscription = self._subscription
        job = parse_notify(
            params, subscription.extranonce1, subscription.extranonce2_size, self._target
        )
        return JobCame(job, clean=params[8] is True)


def _reason(error: Any) -> str:
    """Return the words of a Stratum error, whatever shape it has."""
    if isinstance(error, list) and len(error) > 1:
        return str(error[1])
    return "no reason given" if error is None else str(error)

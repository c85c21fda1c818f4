"""The methods a miner may call, one handler each; numbers name the rules they follow.

A request without an id is acted upon in silence (A1.8, A9.2).
"""

import re
from collections.abc import Callable
from typing import Any

from kench.native import Verdict
from kench.pool.bitcoin import MAX_TARGET
from kench.pool.work import difficulty_of_target
from kench.stratum import messages
from kench.stratum.faults import Fault
from kench.stratum.login import parse_difficulty, printable
from kench.stratum.messages import Request
from kench.stratum.session import USER_AGENT_MAX, Session, State

# The longest user name taken, in bytes; a worker's own part is bounded by the register.
NAME_BYTES_MAX = 256
_HISTORIC = re.compile(r"(mining\.(?:suggest_difficulty|get_transactions))\(([^)]{0,80})\)")
_MASK = re.compile(r"[0-9a-fA-F]{1,8}")
_TARGET = re.compile(r"[0-9a-fA-F]{64}")


def handle(session: Session, request: Request, now_us: int, now: float) -> bytes:
    """Act on one request of the general kind; unknown methods keep the connection (A1.12)."""
    method, params = request.method, request.params
    handler = _HANDLERS.get(method)
    if handler is not None and isinstance(params, list):
        return handler(session, request, now_us, now)
    historic = _HISTORIC.fullmatch(method)
    if historic:  # the argument stands in the method's name (A1.11)
        method, params = historic[1], [historic[2].strip('"')]
        handler = _HANDLERS.get(method)
    if handler is None:
        session.blame(Fault.UNKNOWN_METHOD)
        return b"" if request.id is None else messages.error(request.id, 20, "Unknown method")
    plain = Request(request.id, method, params if isinstance(params, list) else None)
    return handler(session, plain, now_us, now)


def _reply(request: Request, result: object) -> bytes:
    return b"" if request.id is None else messages.answer(request.id, result)


def _invalid(session: Session, request: Request) -> bytes:
    session.refuse(Verdict.INVALID_PARAMS)
    return b"" if request.id is None else messages.refusal(request.id, Verdict.INVALID_PARAMS)


def _subscribe(session: Session, request: Request, _now_us: int, now: float) -> bytes:
    """Answer `mining.subscribe`: whatever the params, and first of all lines (A2.1 to A2.7)."""
    if session.state not in {State.CONNECTED, State.AUTHORISED}:
        return session.answer_subscribe(request)
    params = request.params or []
    agent = params[0] if params and isinstance(params[0], str) else ""
    session.name_agent(printable(agent, USER_AGENT_MAX))
    former = params[1] if len(params) > 1 else None
    known = session.state is State.CONNECTED and isinstance(former, str)
    return session.subscribe(request, former if known else None, now)


def _authorize(session: Session, request: Request, _now_us: int, now: float) -> bytes:
    """Answer `mining.authorize`, before or after subscription, many times over (A3)."""
    params = request.params
    if not params or not isinstance(params[0], str):
        return _invalid(session, request)
    try:
        name = params[0].encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell but no name has
        return _invalid(session, request)
    if len(name) > NAME_BYTES_MAX:
        return _invalid(session, request)
    return session.authorise(request, name, now)


def _submit(session: Session, request: Request, now_us: int, now: float) -> bytes:
    """Judge a submit that was not plain by the same native decision (A8.1)."""
    params = request.params
    if params is None or len(params) < 5:
        return _invalid(session, request)
    bits = params[5] if len(params) > 5 else None
    fields = params[:5] if bits is None else [*params[:5], bits]
    if not all(isinstance(field, str) for field in fields):
        return _invalid(session, request)
    if session.state in {State.CONNECTED, State.AUTHORISED}:
        session.refuse(Verdict.NOT_SUBSCRIBED)
        verdict = Verdict.NOT_SUBSCRIBED
    else:
        raw = [field.encode("utf-8", "surrogatepass") for field in fields]
        last = raw[5] if bits is not None else None
        before = session.gate.accepted
        verdict = Verdict(session.gate.submit(raw[0], raw[1], raw[2], raw[3], raw[4], last, now_us))
        if session.gate.accepted != before:
            session.count_accepted(session.gate.accepted - before, now)
    if request.id is None:
        return b""
    if verdict is Verdict.ACCEPTED:
        return messages.answer(request.id, result=True)
    return messages.refusal(request.id, verdict)


def _configure(session: Session, request: Request, _now_us: int, _now: float) -> bytes:
    """Answer `mining.configure` with a key for each extension asked for (BIP310, A4)."""
    params = request.params or []
    names = params[0] if params and isinstance(params[0], list) else []
    options = params[1] if len(params) > 1 and isinstance(params[1], dict) else {}
    result: dict[str, Any] = {}
    for name in names:
        if isinstance(name, str):
            result |= _extension(session, name, options)
    if request.id is None:
        return b""
    out = messages.answer(request.id, result)
    if result.get("version-rolling") is True:
        # Some firmware idles without it, and none minds (A4.5).
        out += messages.set_version_mask(session.version_mask)
    return out


def _extension(session: Session, name: str, options: dict[str, Any]) -> dict[str, Any]:
    if name == "version-rolling":
        asked = options.get("version-rolling.mask", "ffffffff")
        readable = isinstance(asked, str) and _MASK.fullmatch(asked)
        mask = session.ask_mask(int(asked, 16) if readable else 0)
        return {name: True, "version-rolling.mask": f"{mask:08x}"} if mask else {name: False}
    if name == "minimum-difficulty":
        value = options.get("minimum-difficulty.value")
        nothing = value == 0 and not isinstance(value, bool)  # the pool's own floor, then
        floor = 0.0 if nothing else parse_difficulty(value)
        if floor is not None:
            session.difficulty.ask_floor(floor)
        return {name: floor is not None}
    return {name: name in {"subscribe-extranonce", "info"}}


def _suggest_difficulty(session: Session, request: Request, _now_us: int, _now: float) -> bytes:
    """Take a wish, once: repeats are keep-alives (A6.6); a password's wish is stronger (A3.8)."""
    wished = parse_difficulty(request.params[0]) if request.params else None
    if wished is not None:
        session.difficulty.suggest(wished)
    return _reply(request, result=True)


def _suggest_target(session: Session, request: Request, _now_us: int, _now: float) -> bytes:
    """Take a wish spelled as a target, big-endian hex (A6.7)."""
    target = request.params[0] if request.params else None
    if isinstance(target, str) and _TARGET.fullmatch(target) and int(target, 16):
        session.difficulty.suggest(difficulty_of_target(min(int(target, 16), MAX_TARGET)))
    return _reply(request, result=True)


def _true(_session: Session, request: Request, _now_us: int, _now: float) -> bytes:
    return _reply(request, result=True)


def _pong(_session: Session, request: Request, _now_us: int, _now: float) -> bytes:
    return _reply(request, "pong")


def _silence(_session: Session, _request: Request, _now_us: int, _now: float) -> bytes:
    return b""


def _unsupported(_session: Session, request: Request, _now_us: int, _now: float) -> bytes:
    return b"" if request.id is None else messages.error(request.id, 20, "Not supported")


_HANDLERS: dict[str, Callable[[Session, Request, int, float], bytes]] = {
    "mining.subscribe": _subscribe,
    "mining.authorize": _authorize,
    "mining.submit": _submit,
    "mining.configure": _configure,
    "mining.suggest_difficulty": _suggest_difficulty,
    "mining.suggest_target": _suggest_target,
    # Refusing it makes stock Antminers leave (A5.2); extranonces never change here (A5.4).
    "mining.extranonce.subscribe": _true,
    # `true` alone keeps old Antminers on five params (A9.3).
    "mining.multi_version": _true,
    "mining.ping": _pong,
    # An answer of Bitaxe to our ping, sent as a request (A1.9).
    "pong": _silence,
    "mining.get_transactions": _unsupported,
    "mining.get_txnhashes": _unsupported,
}

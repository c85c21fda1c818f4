"""The HTTP adapter against the real local provider, and against hostile answers."""

import contextlib
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from decimal import Decimal

import pytest

from kench.pool.clock import ManualClock, SystemClock
from kench.sale.screening.http import ANSWER_BYTES_MAX, HttpScreening
from kench.sale.screening.port import (
    CheckState,
    ScreeningBusyError,
    ScreeningRefusedError,
    ScreeningUncertainError,
    ScreeningUnreadableError,
    Transfer,
)
from kench.screening.provider import Behaviour, LocalProvider, Rule
from kench.screening.server import ScreeningServer
from tests.support.web import serving

KEY, SECRET = "kench", "not a secret"
TRANSFER = Transfer("cd" * 32, 0, "bcrt1qtest", 5000)
ID = "0123456789abcdef"


@contextlib.contextmanager
def provider(
    *rules: Rule, secret: str = SECRET, timeout_s: float = 10.0
) -> Iterator[HttpScreening]:
    """An adapter connected to a served local provider with these rules."""
    server = ScreeningServer(LocalProvider(rules), KEY, SECRET, SystemClock())
    with serving(server.app) as url:
        adapter = HttpScreening("local", url, KEY, secret, SystemClock(), timeout_s=timeout_s)
        try:
            yield adapter
        finally:
            adapter.close()


def test_a_transfer_is_registered_polled_and_scored() -> None:
    rule = Rule(score="0.31415", polls=2, signals={"miner": "0.9", "mixer": "0.1"})
    with provider(rule) as screening:
        id_ = screening.register(TRANSFER)
        assert screening.register(TRANSFER) == id_
        checks = [screening.get(id_) for _ in range(3)]
    states = [check.state for check in checks]
    assert states == [CheckState.QUEUED, CheckState.CHECKING, CheckState.CHECKED]
    assert [check.score_bp for check in checks] == [None, None, 3142]
    check = checks[-1]
    assert check.signals == {"miner": Decimal("0.9"), "mixer": Decimal("0.1")}
    assert (check.provider, check.provider_ref, check.reference) == (
        "local", id_, TRANSFER.reference,
    )  # fmt: skip
    assert check.raw_sha256 == hashlib.sha256(check.raw.encode()).digest()


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (Behaviour.SERVER_ERROR, ScreeningUncertainError),
        (Behaviour.BUSY, ScreeningBusyError),
        (Behaviour.TRUNCATED, ScreeningUnreadableError),
        (Behaviour.OTHER_TRANSFER, ScreeningUnreadableError),
        (Behaviour.NOT_A_NUMBER, ScreeningUnreadableError),
    ],
)
def test_a_spoilt_answer_to_a_registration_is_uncertain(
    behaviour: Behaviour, error: type[ScreeningUncertainError]
) -> None:
    with provider(Rule(behaviour=behaviour)) as screening, pytest.raises(error) as raised:
        screening.register(TRANSFER)
    if isinstance(raised.value, ScreeningBusyError):
        assert raised.value.retry_after_s == 7


def test_wrong_types_in_a_check_are_unreadable() -> None:
    with provider(Rule(behaviour=Behaviour.WRONG_TYPES)) as screening:
        id_ = screening.register(TRANSFER)
        with pytest.raises(ScreeningUnreadableError, match="risk_score"):
            screening.get(id_)


def test_a_null_score_a_failure_and_an_endless_queue_are_said_as_they_are() -> None:
    for behaviour, state in (
        (Behaviour.NULL_SCORE, CheckState.CHECKED),
        (Behaviour.FAILS, CheckState.FAILED),
        (Behaviour.NEVER_ENDS, CheckState.CHECKING),
    ):
        with provider(Rule(behaviour=behaviour)) as screening:
            id_ = screening.register(TRANSFER)
            screening.get(id_)
            check = screening.get(id_)
        assert check.state is state
        assert check.score_bp is None or behaviour is Behaviour.FAILS


def test_a_slow_provider_is_given_up() -> None:
    slow = Rule(behaviour=Behaviour.SLOW, delay_s=30.0)
    with (
        provider(slow, timeout_s=0.2) as screening,
        pytest.raises(ScreeningUncertainError, match="ReadTimeout"),
    ):
        screening.register(TRANSFER)


def test_a_wrong_secret_and_a_wrong_clock_are_refused() -> None:
    with (
        provider(secret="another") as screening,
        pytest.raises(ScreeningRefusedError, match="screening_secret"),
    ):
        screening.register(TRANSFER)
    server = ScreeningServer(LocalProvider(), KEY, SECRET, SystemClock())
    with serving(server.app) as url:
        late = HttpScreening("local", url, KEY, SECRET, ManualClock())
        with pytest.raises(ScreeningRefusedError, match="clock"):
            late.register(TRANSFER)
        late.close()


def test_a_provider_that_is_away_is_uncertain() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    away = HttpScreening("local", url, KEY, SECRET, SystemClock())
    with pytest.raises(ScreeningUncertainError, match="ConnectError"):
        away.register(TRANSFER)
    away.close()


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that says these bytes to whoever connects, and hangs up."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


def http(body: bytes, *, length: int | None = None, status: str = "200 OK") -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n\r\n".encode() + body


def check_of(**changes: object) -> bytes:
    answer = {
        "id": ID, "client_id": TRANSFER.reference, "check_state": "checked",
        "risk_score": "0.01", "risk_level": "low", "signals": {}, "alerts": [],
    }  # fmt: skip
    return json.dumps(answer | changes).encode()


HOSTILE = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-x\r\n",
    "half a body": http(check_of(), length=5000),
    "no JSON": http(b"<html>"),
    "no object": http(b"[1]"),
    "no UTF-8": http(b"\xff\xfe{}"),
    "too deep": http(b"[" * 100_000),
    "too long": http(b" " * (ANSWER_BYTES_MAX + 1)),
    "NaN": http(check_of(risk_score=float("nan"))),
    "infinity": http(check_of(risk_score="Infinity")),
    "an exponent": http(check_of(risk_score="1e-2")),
    "huge": http(check_of(risk_score=10**30)),
    "true": http(check_of(risk_score=True)),
    "an unknown state": http(check_of(check_state="done")),
    "a list as a state": http(check_of(check_state=["checked"])),
    "another check": http(check_of(id="fedc")),
    "an id with a path": http(check_of(id="../x")),
    "no level": http(check_of(risk_level=None)),
    "signals of words": http(check_of(signals={"miner": "much"})),
    "alerts of objects": http(check_of(alerts=[{}])),
    "twice the same key": http(check_of()[:-1] + b', "risk_score": "0.0"}'),
    "a redirect": http(b"", status="302 Found\r\nLocation: http://127.0.0.1:1/"),
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_answer_is_an_error_that_holds(answer: bytes) -> None:
    with answering(answer) as url:
        screening = HttpScreening("local", url, KEY, SECRET, SystemClock(), timeout_s=5)
        with pytest.raises(ScreeningUncertainError):
            screening.get(ID)
        screening.close()


def test_the_same_answer_unspoilt_is_a_check() -> None:
    with answering(http(check_of(risk_score=0.00001))) as url:
        screening = HttpScreening("local", url, KEY, SECRET, SystemClock(), timeout_s=5)
        assert screening.get(ID).score_bp == 1  # rounded up
        screening.close()


def test_an_id_that_is_none_is_never_sent() -> None:
    screening = HttpScreening("local", "http://127.0.0.1:1", KEY, SECRET, SystemClock())
    with pytest.raises(ScreeningUnreadableError):
        screening.get("../../healthz")
    screening.close()


def test_no_secret_is_in_an_error() -> None:
    with (
        provider(secret="hunter2") as screening,
        pytest.raises(ScreeningRefusedError) as raised,
    ):
        screening.register(TRANSFER)
    assert "hunter2" not in str(raised.value)

"""One POST to one checked address: no redirect is followed, and of the answer only its status read.

The whole exchange ends by one deadline, however slowly the other side drips.
"""

import re
import socket
import ssl
from collections.abc import Mapping
from enum import StrEnum

from kench.cabinet.alerts.targets import Place
from kench.pool.clock import Clock
from kench.pool.errors import KenchError

TIMEOUT_S = 10.0
ANSWER_MAX = 4096
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: |\r)")


class FaultKind(StrEnum):
    """Why something was not sent, in one word for metrics."""

    SETUP = "setup"
    TARGET = "target"
    CERTIFICATE = "certificate"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    STATUS = "status"
    MAIL = "mail"


class PostError(KenchError):
    """It was not taken; the message holds nothing secret."""

    def __init__(self, text: str, kind: FaultKind = FaultKind.SETUP) -> None:
        super().__init__(text)
        self.kind = kind


def post(place: Place, address: str, headers: Mapping[str, str], body: bytes, clock: Clock) -> None:
    """Send it; raises PostError unless the answer is of the 200s."""
    end_s = clock.monotonic() + TIMEOUT_S
    named = f"[{place.host}]" if ":" in place.host else place.host
    usual = 443 if place.tls else 80
    lines = {
        "Host": named if place.port == usual else f"{named}:{place.port}",
        "User-Agent": "kench",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    head = f"POST {place.path} HTTP/1.1\r\n" + "".join(f"{a}: {b}\r\n" for a, b in lines.items())
    try:
        with socket.create_connection((address, place.port), TIMEOUT_S) as plain:
            if place.tls:
                context = ssl.create_default_context()
                with context.wrap_socket(plain, server_hostname=place.host) as secured:
                    status = _exchange(secured, head.encode() + b"\r\n" + body, end_s, clock)
            else:
                status = _exchange(plain, head.encode() + b"\r\n" + body, end_s, clock)
    except ssl.SSLCertVerificationError as error:
        raise PostError("its certificate is not good", FaultKind.CERTIFICATE) from error
    except TimeoutError as error:
        raise PostError(f"no answer within {TIMEOUT_S:.0f} s", FaultKind.TIMEOUT) from error
    except (OSError, ValueError) as error:
        raise PostError("it cannot be reached", FaultKind.UNREACHABLE) from error
    if not 200 <= status < 300:
        raise PostError(f"it answered with status {status}", FaultKind.STATUS)


def _exchange(connection: socket.socket, request: bytes, end_s: float, clock: Clock) -> int:
    connection.settimeout(_left(end_s, clock))
    connection.sendall(request)
    answer = b""
    while b"\r\n" not in answer and len(answer) < ANSWER_MAX:
        connection.settimeout(_left(end_s, clock))
        more = connection.recv(ANSWER_MAX)
        if not more:
            break
        answer += more
    found = _STATUS.match(answer)
    return int(found[1]) if found else 0


def _left(end_s: float, clock: Clock) -> float:
    left_s = end_s - clock.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s

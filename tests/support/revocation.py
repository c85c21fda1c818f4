"""Places on loopback that tests fetch revocation lists and OCSP answers from, as each test asks."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from kench.pool.clock import ManualClock, SystemClock
from tests.support.pki import NOW, NOW_US, Authority, Key, Person, key_of, usage
from tests.support.web_servers import serving

Answer = Callable[[bytes], bytes | Response]


class RealMonotonic(ManualClock):
    """The date stands still, the deadlines of sockets do not."""

    def __init__(self) -> None:
        super().__init__(NOW_US)

    def monotonic(self) -> float:
        return SystemClock().monotonic()


@dataclass
class Place:
    """A server whose answer a test sets; it keeps what it was asked."""

    url: str = ""
    answer: Answer = lambda _body: Response(status_code=404)
    asked: list[bytes] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        self.asked.append(body)
        came = self.answer(body)
        response = came if isinstance(came, Response) else Response(came)
        await response(scope, receive, send)


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """Serve one."""
    made = Place()
    with serving(made) as url:
        made.url = f"{url}/here"
        yield made


@dataclass
class Responder:
    """Answers as it should, but for what a test changes."""

    authority: Authority
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD
    this: datetime = NOW
    until: datetime | None = NOW + timedelta(hours=1)
    key: Key | None = None
    delegate: x509.Certificate | None = None
    nonce: bytes | None = b"same"
    serial_off: int = 0
    digest: hashes.HashAlgorithm = field(default_factory=hashes.SHA256)

    def __call__(self, question: bytes) -> bytes:
        asked = ocsp.load_der_ocsp_request(question)
        revoked = self.status is ocsp.OCSPCertStatus.REVOKED
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            asked.issuer_name_hash, asked.issuer_key_hash, asked.serial_number + self.serial_off,
            asked.hash_algorithm, self.status, self.this, self.until,
            NOW - timedelta(days=1) if revoked else None, None,
        )  # fmt: skip
        signer = self.delegate or self.authority.certificate
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer)
        if self.delegate is not None:
            builder = builder.certificates([self.delegate])
        given = asked.extensions.get_extension_for_class(x509.OCSPNonce).value
        if self.nonce is not None:
            echo = given if self.nonce == b"same" else x509.OCSPNonce(self.nonce)
            builder = builder.add_extension(echo, critical=False)
        answer = builder.sign(self.key or self.authority.key, self.digest)
        return answer.public_bytes(serialization.Encoding.DER)


def delegate_of(authority: Authority, *, may: bool = True) -> Person:
    """A certificate that answers for the authority; `may` False: without the right to."""
    key = key_of("delegate")
    purposes = ExtendedKeyUsageOID.OCSP_SIGNING if may else ExtendedKeyUsageOID.CLIENT_AUTH
    certificate = authority.build(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Responder")]),
        key.public_key(),
        [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (usage("digital_signature"), True),
            (x509.ExtendedKeyUsage([purposes]), False),
            (x509.OCSPNoCheck(), False),
        ],
    )
    return Person(certificate, key)

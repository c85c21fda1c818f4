"""The certificate of TLS doors: rehearsed before it is served, taken anew when its files change."""

import re
import ssl
import threading
from pathlib import Path

import structlog

from kench.pool.errors import KenchError
from kench.pool.secret_files import SecretFileError, check_private

# How often the files are looked at.
LOOK_S = 5.0
# More than this is no certificate with its chain.
FILE_BYTES_MAX = 1 << 20
_FIRST_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL
)
# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which `ssl` has no name for: an expired certificate is
# served, since miners that look at the date are few, and reported.
_NO_CHECK_TIME = 0x200000
_REHEARSAL_TURNS = 10

log = structlog.get_logger("stratum")

# Identity and times of both files: another one means other contents.
Stamp = tuple[tuple[int, int, int], ...]


class CertificateError(KenchError):
    """A certificate and key that cannot be served."""


class Certificate:
    """The pair in force. `look` runs in any thread but the loop's; the rest is read there."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._paths = certificate, key
        self._stamp: Stamp | None = None
        self._looking = threading.Lock()
        self.context: ssl.SSLContext | None = None
        """What new connections are served with; None while there is no pair that works."""
        self.expires_at_s: float | None = None
        """Unix time at which the certificate in force ends."""
        self.fault: str | None = None
        """Why the files as they are now are not in force."""

    def look(self) -> None:
        """Take the pair anew if a file changed; a broken pair leaves the old one in force."""
        with self._looking:
            self._look()

    def _look(self) -> None:
        try:
            stamp = tuple(
                (stat.st_mtime_ns, stat.st_size, stat.st_ino)
                for stat in (path.stat() for path in self._paths)
            )
            if stamp == self._stamp:
                return
            context, expires_at_s = read_pair(*self._paths)
        except (OSError, CertificateError) as error:
            self._complain(_words(error))
            return
        self._stamp = stamp
        self.context, self.expires_at_s, self.fault = context, expires_at_s, None
        log.info("certificate in force", expires_at_s=expires_at_s)

    def status(self) -> dict[str, object]:
        """Return what /status and PostgreSQL show of it."""
        return {
            "in_force": self.context is not None,
            "expires_at_s": self.expires_at_s,
            "why": self.fault,
        }

    def _complain(self, fault: str) -> None:
        if fault != self.fault:
            old = "the old one stays in force" if self.context else "doors with tls stay shut"
            log.error("certificate not taken", why=fault, so=old)
        self.fault = fault


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot read {error.filename}: {error.strerror}"
    return str(error)


def read_pair(certificate: Path, key: Path) -> tuple[ssl.SSLContext, float]:
    """Return a server's context of the pair, and when it expires. Raises CertificateError, OSError.

    A handshake in memory shows that both belong together and that a client could take them.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    with certificate.open("rb") as file:
        first = _FIRST_CERTIFICATE.search(file.read(FILE_BYTES_MAX).decode("ascii", "replace"))
    if first is None:
        raise CertificateError(f"{certificate} holds no certificate in PEM")
    try:
        check_private(key)
        context.load_cert_chain(certificate, key, password=_refuse_password)
        expires = _rehearse(context, first[0])
    except SecretFileError as error:
        raise CertificateError(str(error)) from None
    except ssl.SSLError as error:
        raise CertificateError(
            f"{certificate} and {key} do not serve: {error.reason or error}"
        ) from None
    return context, float(ssl.cert_time_to_seconds(expires))


def _refuse_password() -> str:
    raise CertificateError("the key has a password: store it without one, readable by us alone")


def _rehearse(context: ssl.SSLContext, trusted: str) -> str:
    """Shake hands with ourselves in memory; return the certificate's last day as TLS names it."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.load_verify_locations(cadata=trusted)
    trusting.verify_flags = ssl.VerifyFlags(ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(back, there)
    server = context.wrap_bio(there, back, server_side=True)
    waiting = [client, server]
    for _ in range(_REHEARSAL_TURNS):
        for end in tuple(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
    shown = client.getpeercert() if not waiting else None
    if not shown:
        raise CertificateError("a handshake with ourselves does not end")
    return str(shown["notAfter"])

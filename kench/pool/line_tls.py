"""TLS of a line between machines of one pool: both ends show a certificate of its own authority."""

import ssl
from pathlib import Path
from typing import NamedTuple

from kench.pool.errors import KenchError
from kench.pool.secret_files import SecretFileError, check_private


class TlsFilesError(KenchError):
    """The certificates of a line cannot be used."""


class TlsFiles(NamedTuple):
    """Whom each end shows itself by, and whom it trusts: an authority for this line alone."""

    certificate: Path
    key: Path
    authority: Path
    line: str
    """How the line's settings begin: `nats`, `standby`."""

    def context(self, *, server: bool = False) -> ssl.SSLContext:
        """Return what connections are made with; TLS 1.3 alone.

        Raises TlsFilesError, also where others may read the key.
        """
        purpose = ssl.Purpose.CLIENT_AUTH if server else ssl.Purpose.SERVER_AUTH
        try:
            context = ssl.create_default_context(purpose, cafile=str(self.authority))
            check_private(self.key)
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError, SecretFileError) as error:
            words = f"KENCH_{self.line.upper()}_CERTIFICATE, _KEY and _AUTHORITY"
            raise TlsFilesError(
                f"the certificates of {words} cannot be used ({error}): look at these files"
            ) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        return context

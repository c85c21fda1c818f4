"""TLS of a server that serves nobody without a certificate of an authority it trusts."""

import ssl
from collections.abc import Iterable
from pathlib import Path

from kench.pool.secret_files import check_private

HANDSHAKE_S = 10.0


def mutual_context(certificate: Path, key: Path, roots: Iterable[bytes]) -> ssl.SSLContext:
    """Return what such a server speaks TLS by; roots are DER.

    Raises OSError, ValueError, and SecretFileError where others may read the key.
    """
    check_private(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    # A root in the settings is trusted as it is, also where another authority signed it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # Each connection shows its certificate anew.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key, password=lambda: "")
    context.load_verify_locations(cadata=b"".join(roots))
    return context

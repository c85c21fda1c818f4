"""A signature as programs write it into files: DER, PEM, or base64 alone."""

import base64
import binascii
import re

from kench.pool.signature.cms import SIGNATURE_BYTES_MAX

FILE_BYTES_MAX = SIGNATURE_BYTES_MAX * 3 // 2
_DER = b"\x30"
_PEM = re.compile(rb"-----BEGIN (?:CMS|PKCS7)-----(.+?)-----END (?:CMS|PKCS7)-----", re.DOTALL)


def signature_of(content: bytes) -> bytes | None:
    """Return the signature in a file's content, None where there is none in it."""
    if len(content) > FILE_BYTES_MAX:
        return None
    if content.startswith(_DER):
        return content
    armoured = _PEM.search(content)
    text = b"".join((armoured[1] if armoured else content).split())
    try:
        signature = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return signature if signature.startswith(_DER) else None

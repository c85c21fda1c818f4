"""Whatever programs write a signature as is read; all else is no signature."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.signing.files import FILE_BYTES_MAX, signature_of


@given(st.binary(max_size=200))
def test_der_pem_and_base64_say_the_same(tail: bytes) -> None:
    der = b"\x30" + tail
    text = base64.encodebytes(der)
    assert signature_of(der) == der
    assert signature_of(text) == der
    assert signature_of(b"\xef\xbb\xbf" + b"-----BEGIN PKCS7-----\r\n" + text
                        + b"-----END PKCS7-----\r\n") == der  # fmt: skip


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything(content: bytes) -> None:
    found = signature_of(content)
    assert found is None or found.startswith(b"\x30")


def test_what_is_too_long_or_something_else_is_none() -> None:
    assert signature_of(b"\x30" * (FILE_BYTES_MAX + 1)) is None
    assert signature_of(base64.b64encode(b"%PDF-1.7")) is None
    assert signature_of(b"") is None

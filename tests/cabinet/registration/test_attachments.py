"""What a file is, is told by its bytes; its name is made harmless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.cabinet.registration.attachments import (
    ATTACHMENT_BYTES_MAX,
    AttachmentKind,
    AttachmentRefusal,
    attachment_of,
    media_type_of,
    safe_name,
)
from tests.support.applications import PDF


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (PDF, "application/pdf"),
        (b"\xff\xd8\xff\xe0JFIF", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"<html><script>", None),
        (b"MZ\x90", None),
        (b"PK\x03\x04", None),
        (b" %PDF-1.7", None),
        (b"<svg xmlns=", None),
        (b"", None),
    ],
)
def test_kinds_are_told_by_first_bytes(content: bytes, media_type: str | None) -> None:
    assert media_type_of(content) == media_type


def test_files_that_are_not_taken() -> None:
    assert attachment_of("a.pdf", AttachmentKind.OTHER, b"") is AttachmentRefusal.EMPTY
    assert attachment_of("a.pdf", AttachmentKind.OTHER, b"MZ") is AttachmentRefusal.KIND_UNKNOWN
    large = PDF.ljust(ATTACHMENT_BYTES_MAX + 1)
    assert attachment_of("a.pdf", AttachmentKind.OTHER, large) is AttachmentRefusal.TOO_LARGE


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Договор аренды.pdf", "Договор аренды.pdf"),
        ("../../etc/passwd", "passwd.pdf"),
        ("C:\\docs\\scan.exe", "scan.pdf"),
        ('a"; filename=x.html', "a__ filename_x.pdf"),
        ("...", "document.pdf"),
        ("", "document.pdf"),
    ],
)
def test_names_are_harmless(name: str, safe: str) -> None:
    assert safe_name(name, "application/pdf") == safe


@given(st.text(max_size=300))
def test_any_name_is_a_short_file_name(name: str) -> None:
    safe = safe_name(name, "image/png")
    assert safe.endswith(".png")
    assert len(safe) <= 120
    assert not set(safe) & set('/\\"\r\n;:<>')

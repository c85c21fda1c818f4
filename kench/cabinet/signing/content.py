"""The bytes of a signing request: readable text that says what it is for, and cannot be reused."""

import unicodedata
from dataclasses import dataclass

from kench.cabinet.signing.wording import LABELS, NAMES, SYSTEM, TITLES, Purpose
from kench.pool.errors import KenchError
from kench.pool.moments import moment_text

CONTENT_BYTES_MAX = 512 * 1024
_SECOND_US = 1_000_000
# Characters that nobody sees, or that turn the text around: what is signed must be what is read.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


class SigningContentError(KenchError):
    """A text that nobody can be asked to sign."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What the lines before the body say."""

    purpose: Purpose
    language: str
    origin: str
    request_id: str
    nonce: str
    moment_us: int
    expires_us: int


def content_of(heading: Heading, body: str) -> bytes:
    """Return the exact bytes to sign, UTF-8 with LF; raises SigningContentError."""
    check_body(body)
    labels = LABELS[heading.language]
    lines = [
        SYSTEM[heading.language],
        TITLES[heading.purpose][heading.language],
        "",
        f"{labels.purpose}: {NAMES[heading.purpose][heading.language]}",
        f"{labels.place}: {heading.origin}",
        f"{labels.request}: {heading.request_id}",
        f"{labels.nonce}: {heading.nonce}",
        f"{labels.moment}: {_second(heading.moment_us)}",
        f"{labels.until}: {_second(heading.expires_us)}",
        "",
        body.rstrip("\n"),
        "",
    ]
    content = "\n".join(lines).encode()
    if len(content) > CONTENT_BYTES_MAX:
        raise SigningContentError(f"what is signed has {CONTENT_BYTES_MAX} bytes at most")
    return content


def check_document(document: bytes) -> None:
    """Raise SigningContentError for what is no document that can be signed as it is.

    It begins as an object of JSON, and no text with a heading does, so neither can be taken for the
    other; and its reader sees all of it.
    """
    if len(document) > CONTENT_BYTES_MAX:
        raise SigningContentError(f"what is signed has {CONTENT_BYTES_MAX} bytes at most")
    if not document.startswith(b"{"):
        raise SigningContentError("a document that is signed as it is begins with {")
    try:
        check_body(document.decode())
    except UnicodeDecodeError as error:
        raise SigningContentError("a document that is signed is UTF-8 text") from error


def check_body(body: str) -> None:
    """Raise SigningContentError for a text with something in it that its reader would not see."""
    if not body.strip():
        raise SigningContentError("there is nothing to sign")
    for character in set(body) - {"\n"}:
        if unicodedata.category(character) in _HIDDEN:
            raise SigningContentError(
                f"the text to sign has a character that nobody sees (U+{ord(character):04X}): "
                "take it out"
            )


def _second(at_us: int) -> str:
    return moment_text(at_us // _SECOND_US * _SECOND_US)

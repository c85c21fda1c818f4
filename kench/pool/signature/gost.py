"""GOST R 34.10-2012 with GOST R 34.11-2012, done by the openssl command with its gost engine.

Only digests and signatures over given bytes are asked of it, never whether a certificate is good.
Its answers are two words; what it reads are files of a folder that lives as long as a question.
GOST R 34.10-2001 and -94 are refused: their digest, 34.11-94, is broken.
"""

import os
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asn1crypto import core, pem
from asn1crypto.keys import PublicKeyInfo

from kench.pool.signature.suite import SuiteFailedError

CONTENT_BYTES_MAX = 64 * 1024 * 1024
"""A revocation list is the largest."""
ANSWER_BYTES_MAX = 4096
AT_ONCE = 2
WAIT_S = 10.0
"""For a turn, when so many questions are being answered."""
KEY_BYTES_MAX = 1024
_VERIFIED = b"Verified OK\n"


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the two sizes: 256 and 512 bits."""

    bits: int
    key: str
    digest: str
    signature: str
    curves: frozenset[str]
    """Parameter sets in use; those that standards give for tests are not among them."""
    name: str
    """What the engine calls the digest."""


KINDS = (
    Kind(
        256, "1.2.643.7.1.1.1.1", "1.2.643.7.1.1.2.2", "1.2.643.7.1.1.3.2",
        frozenset({
            *(f"1.2.643.2.2.35.{number}" for number in (1, 2, 3)),
            *(f"1.2.643.2.2.36.{number}" for number in (0, 1)),
            *(f"1.2.643.7.1.2.1.1.{number}" for number in (1, 2, 3, 4)),
        }),
        "md_gost12_256",
    ),
    Kind(
        512, "1.2.643.7.1.1.1.2", "1.2.643.7.1.1.2.3", "1.2.643.7.1.1.3.3",
        frozenset(f"1.2.643.7.1.2.1.2.{number}" for number in (1, 2, 3)),
        "md_gost12_512",
    ),
)  # fmt: skip

# A message of RFC 6986, its digest, and a signature of it by a key that was thrown away.
_MESSAGE = b"012345678901234567890123456789012345678901234567890123456789012"
_DIGEST = "9d151eefd8590b89daa6ba6cb74af9275dd051026bb149a452fd84e5e57b5500"
_KEY = (
    "3066301f06082a85030701010101301306072a85030202230106082a850307010102020343000440404f73116ca247"
    "f49f246ffdbeb645f500698e2c86ceed6c5f99d60037fb081060a4ae5d78796282b2516d2dbb851a452d3ec9adb891"
    "50077ba3b18d0fa694d9"
)
_SIGNATURE = (
    "e47cb7d684fe19fbb70f8d7b0e9634e7d455cde87258508407fdc7ba2fccfd3b6a68cc05d3e893d78b84ffbf8a3837"
    "c73a4d4b2a19c2c2a24571a171abcef820"
)


class OpensslGost:
    """The suite; for any thread but an event loop's."""

    def __init__(self, program: Path, *, timeout_s: float = 5.0) -> None:
        """Take the openssl command; `check` says whether it can do this."""
        self._program = program
        self._timeout_s = timeout_s
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def check(self) -> None:
        """Raise SuiteFailedError unless the engine is there and right about what is known."""
        kind, key = KINDS[0], PublicKeyInfo.load(bytes.fromhex(_KEY))
        signature = bytes.fromhex(_SIGNATURE)
        if (
            self.digest(kind.digest, _MESSAGE).hex() != _DIGEST
            or not self.verify(key, kind.signature, signature, _MESSAGE)
            or self.verify(key, kind.signature, signature, _MESSAGE + b"3")
        ):
            raise SuiteFailedError(
                f"{self._program} is wrong about GOST signatures: set KENCH_SIGNATURE_GOST=off, or "
                "install another engine"
            )

    def knows_digest(self, algorithm: str) -> bool:
        """Whether it is GOST R 34.11-2012."""
        return any(algorithm == kind.digest for kind in KINDS)

    def knows_signature(self, algorithm: str) -> bool:
        """Whether it is GOST R 34.10-2012."""
        return _kind_of(algorithm) is not None

    def fits(self, signature: str, digest: str) -> bool:
        """Whether both are of one size."""
        kind = _kind_of(signature)
        return kind is not None and kind.digest == digest

    def key_bits(self, key: PublicKeyInfo) -> int:
        """Bits of a key with parameters in use, 0 for any other."""
        for kind in KINDS:
            if key["algorithm"]["algorithm"].dotted == kind.key:
                return kind.bits if _is_sound(key, kind) else 0
        return 0

    def digest(self, algorithm: str, content: bytes) -> bytes:
        """Return the digest; raises SuiteFailedError."""
        for kind in KINDS:
            if algorithm == kind.digest:
                _, answer = self._ask([f"-{kind.name}", "-binary", "content"], {"content": content})
                if len(answer) != kind.bits // 8:
                    raise self._absent(answer)
                return answer
        raise SuiteFailedError(f"{algorithm} is no digest of GOST R 34.11-2012")

    def verify(self, key: PublicKeyInfo, algorithm: str, signature: bytes, content: bytes) -> bool:
        """Whether the key's owner signed the content so; raises SuiteFailedError."""
        kind = _kind_of(algorithm)
        if kind is None or self.key_bits(key) != kind.bits or len(signature) != kind.bits // 4:
            return False
        status, answer = self._ask(
            [f"-{kind.name}", "-verify", "key", "-signature", "signature", "content"],
            {"key": pem.armor("PUBLIC KEY", key.dump()), "signature": signature,
             "content": content},
        )  # fmt: skip
        return status == 0 and answer == _VERIFIED

    def _ask(self, arguments: Sequence[str], files: Mapping[str, bytes]) -> tuple[int, bytes]:
        """Return the command's status and what it said; raises SuiteFailedError."""
        if sum(map(len, files.values())) > CONTENT_BYTES_MAX:
            raise SuiteFailedError(f"more than {CONTENT_BYTES_MAX} bytes to check by GOST")
        if not self._turns.acquire(timeout=WAIT_S):
            raise SuiteFailedError("too many GOST signatures come at once: try again")
        try:
            with tempfile.TemporaryDirectory(prefix="kench-gost-") as name:
                return self._run(Path(name), arguments, files)
        except subprocess.TimeoutExpired as error:
            raise SuiteFailedError(
                f"{self._program} gave no answer in {self._timeout_s:g} s"
            ) from error
        except OSError as error:
            raise SuiteFailedError(f"{self._program}: {error.strerror}") from error
        finally:
            self._turns.release()

    def _run(
        self, folder: Path, arguments: Sequence[str], files: Mapping[str, bytes]
    ) -> tuple[int, bytes]:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        with (folder / "answer").open("w+b") as answer:
            done = subprocess.run(  # noqa: S603 - a program of the settings, names of our own
                [self._program, "dgst", "-engine", "gost", *arguments],
                cwd=folder,
                env={"OPENSSL_CONF": os.devnull, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=answer,
                stderr=subprocess.DEVNULL,
                timeout=self._timeout_s,
                check=False,
            )
            answer.seek(0)
            return done.returncode, answer.read(ANSWER_BYTES_MAX)

    def _absent(self, answer: bytes) -> SuiteFailedError:
        said = answer[:80].decode("ascii", "replace").strip()
        return SuiteFailedError(
            f"{self._program} computes no GOST digest{f' ({said})' if said else ''}: install its "
            "gost engine (Debian: libengine-gost-openssl), or set KENCH_SIGNATURE_GOST=off"
        )


def _kind_of(algorithm: str) -> Kind | None:
    """Whose signature it is; in CMS it may be named by the key alone (RFC 9215)."""
    return next((kind for kind in KINDS if algorithm in {kind.signature, kind.key}), None)


def _is_sound(key: PublicKeyInfo, kind: Kind) -> bool:
    """Whether a key names parameters in use, and no other digest than its own."""
    der = key.dump()
    try:
        named = core.SequenceOf.load(
            key["algorithm"]["parameters"].dump(), spec=core.ObjectIdentifier, strict=True
        )
        parts = [part.dotted for part in named]
    except (ValueError, TypeError, AttributeError):
        return False
    return (
        len(der) <= KEY_BYTES_MAX
        and len(parts) in {1, 2}
        and parts[0] in kind.curves
        and parts[1:] in ([], [kind.digest])
    )

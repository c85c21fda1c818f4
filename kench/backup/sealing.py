"""The outer file: a tar of numbered CMS messages, each sealed to the certificates it is for.

A message is AuthEnvelopedData with AES-256-GCM over CHUNK_BYTES of the inner archive. OpenSSL opens
a message only when it has all of it in memory, nearly three times over, so one message for a whole
backup could be opened on a large machine alone; many small ones need 45 MB. Without Kench:

    tar -xf FILE
    for one in *.cms; do
        openssl cms -decrypt -inform DER -binary -in $one -inkey KEY
    done | tar -x

That none is missing, there twice, or of another backup is said by the manifest within.
"""

import io
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from kench.backup.archive import abandon_tar
from kench.backup.errors import BackupDamagedError, BackupError, RestoreError

CHUNK_BYTES = 16 * 1024 * 1024
MESSAGE_BYTES_MAX = CHUNK_BYTES + 1024 * 1024
CERTIFICATES_MAX = 16
RSA_BITS_MIN = 2048
OPENSSL_S = 120.0
OPENSSL_NO_KEY = 2
"""`openssl cms` ends so where the file of the key cannot be read as one."""
_OAEP = ("-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256")


def recipient_flags(certificates: Sequence[Path], now_us: int) -> list[str]:
    """Return how openssl is told whom to seal for. Raises BackupError where one is of no use."""
    if not 0 < len(certificates) <= CERTIFICATES_MAX:
        raise BackupError(
            f"a backup is for 1 to {CERTIFICATES_MAX} certificates: name each by --for"
        )
    flags: list[str] = []
    now = datetime.fromtimestamp(now_us / 1e6, UTC)
    for path in certificates:
        try:
            found = x509.load_pem_x509_certificate(path.read_bytes())
        except OSError as error:
            raise BackupError(f"{path} cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise BackupError(f"{path} is no certificate in PEM: name one by --for") from error
        if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
            raise BackupError(f"{path} is not valid now: ask its owner for a newer certificate")
        key = found.public_key()
        if isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS_MIN:
            flags += ["-recip", str(path), *_OAEP]
        elif isinstance(key, EllipticCurvePublicKey):
            flags += ["-recip", str(path)]
        else:
            raise BackupError(
                f"{path} has no RSA key of {RSA_BITS_MIN} bits or more, nor one on a curve"
            )
    return flags


class Sealer(io.RawIOBase):
    """Takes the inner archive as it is written, and writes the sealed file; never seeks."""

    def __init__(self, openssl: Path, recipients: Sequence[str], target: BinaryIO) -> None:
        self._command = [
            str(openssl), "cms", "-encrypt", "-binary", "-aes-256-gcm", "-outform", "DER",
            *recipients,
        ]  # fmt: skip
        self._tar = tarfile.open(fileobj=target, mode="w|")  # noqa: SIM115 - closed by `close`
        self._waiting = bytearray()
        self._number = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: object) -> int:
        """Take bytes; a whole chunk of them is sealed at once."""
        view = memoryview(data)  # type: ignore[arg-type]
        size = view.nbytes
        self._waiting += view
        while len(self._waiting) >= CHUNK_BYTES:
            self._seal(bytes(self._waiting[:CHUNK_BYTES]))
            del self._waiting[:CHUNK_BYTES]
        return size

    def finish(self) -> None:
        """Seal what is left and end the tar; the caller syncs and closes its file."""
        if self._waiting:
            self._seal(bytes(self._waiting))
            self._waiting.clear()
        self._tar.close()

    def abandon(self) -> None:
        """Write nothing more: what was begun is thrown away."""
        self._waiting.clear()
        abandon_tar(self._tar)

    def _seal(self, chunk: bytes) -> None:
        done = _run(self._command, chunk)
        if done.returncode:
            raise BackupError(
                f"`{' '.join(self._command[:3])}` failed: is it OpenSSL 3.0 or later?"
            )
        entry = tarfile.TarInfo(f"{self._number:06d}.cms")
        entry.size, entry.mode = len(done.stdout), 0o600
        self._tar.addfile(entry, io.BytesIO(done.stdout))
        self._number += 1


class Opener(io.RawIOBase):
    """Reads the inner archive out of a sealed file, message by message; never seeks."""

    def __init__(self, openssl: Path, path: Path, key: Path, key_words: Path | None = None) -> None:
        """`key_words` is a private file with the words that the key's file is protected by."""
        self._command = [
            str(openssl), "cms", "-decrypt", "-binary", "-inform", "DER", "-inkey", str(key),
            # Without it openssl would ask at the terminal, for each message.
            "-passin", f"file:{key_words}" if key_words else "pass:",
        ]  # fmt: skip
        self._path, self._key = path, key
        for needed in (path, key, *([key_words] if key_words else [])):
            if not needed.is_file():
                raise RestoreError(f"{needed} is no file: name another")
        self._chunks = self._open_all()
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: object) -> int:
        """Give the next bytes; 0 at the end. Raises RestoreError."""
        if not self._left:
            self._left = memoryview(next(self._chunks, b""))
        view = memoryview(buffer)  # type: ignore[arg-type]
        count = min(len(view), len(self._left))
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def _open_all(self) -> Iterator[bytes]:
        number = 0
        try:
            with tarfile.open(self._path, mode="r|") as sealed:
                for entry in sealed:
                    file = sealed.extractfile(entry)
                    if (
                        entry.name != f"{number:06d}.cms"
                        or file is None
                        or entry.size > MESSAGE_BYTES_MAX
                    ):
                        raise BackupDamagedError(
                            f"{self._path} has no message {number}: take another copy"
                        )
                    done = _run(self._command, file.read())
                    if done.returncode:
                        raise self._why_shut(number, done.returncode)
                    yield done.stdout
                    number += 1
        except (tarfile.TarError, OSError) as error:
            raise BackupDamagedError(
                f"{self._path} cannot be read: {error}; take another copy"
            ) from error

    def _why_shut(self, number: int, status: int) -> RestoreError:
        if status == OPENSSL_NO_KEY:
            return RestoreError(
                f"{self._key} does not open as a key, PEM or .p12: name the file with the words "
                "that protect it by --key-words, or another key"
            )
        if number:
            # The key opened those before.
            return BackupDamagedError(
                f"message {number} of {self._path} was changed: take another copy"
            )
        return RestoreError(
            f"{self._path} does not open with {self._key}: it is sealed for others, so name "
            "another key; or it was changed, so take another copy"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._chunks.close()  # type: ignore[attr-defined]  # it is a generator


def _run(command: Sequence[str], chunk: bytes) -> "subprocess.CompletedProcess[bytes]":
    """Return what openssl made of a chunk.

    What it gave before it refused is of no use: a wrong tag is known at the end alone.
    """
    try:
        return subprocess.run(  # noqa: S603 - our own words, no shell
            command, input=chunk, capture_output=True, timeout=OPENSSL_S, check=False
        )
    except OSError as error:
        raise BackupError(
            f"{command[0]} cannot be run ({error.strerror}): install OpenSSL 3"
        ) from error
    except subprocess.TimeoutExpired as late:
        raise BackupError(f"{command[0]} did not answer in {OPENSSL_S:.0f} s") from late

"""The outer file: only its owners open it, and nothing that was changed in it passes."""

import gc
import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from kench.backup import sealing
from kench.backup.archive import MANIFEST, ArchiveWriter, unpack
from kench.backup.errors import BackupDamagedError, BackupError, RestoreError
from kench.backup.sealing import Opener, Sealer, recipient_flags
from kench.pool.clock import SystemClock

OPENSSL = Path("/usr/bin/openssl")
CONTENT = bytes(range(256)) * 1000


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name, kind in (
        ("rsa", ("-newkey", "rsa:2048")),
        ("ec", ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")),
        ("other", ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")),
    ):
        subprocess.run(
            [OPENSSL, "req", "-x509", *kind, "-nodes", "-subj", f"/CN={name}", "-days", "2",
             "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"],
            check=True, capture_output=True,
        )  # fmt: skip
    return folder


@pytest.fixture
def sealed(keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive of several messages, for an RSA key and one on a curve."""
    monkeypatch.setattr(sealing, "CHUNK_BYTES", 100_000)
    path = tmp_path / "sealed"
    certificates = [keys / "rsa.pem", keys / "ec.pem"]
    with path.open("wb") as file:
        sealer = Sealer(OPENSSL, recipient_flags(certificates, SystemClock().now_us()), file)
        archive = ArchiveWriter(cast("BinaryIO", sealer))
        archive.add_bytes("one", CONTENT)
        list(archive.add_stream(io.BytesIO(CONTENT), "database/base.tar"))
        archive.close({"kench_backup": 1}, None)
        sealer.finish()
    return path


def opened(path: Path, key: Path, folder: Path, words: Path | None = None) -> None:
    folder.mkdir()
    with Opener(OPENSSL, path, key, words) as source:
        unpack(cast("BinaryIO", source), folder)


@pytest.mark.parametrize("owner", ["rsa", "ec"])
def test_each_owner_of_a_certificate_opens_it(
    owner: str, sealed: Path, keys: Path, tmp_path: Path
) -> None:
    opened(sealed, keys / f"{owner}.key", tmp_path / "out")
    assert (tmp_path / "out/one").read_bytes() == CONTENT
    assert (tmp_path / "out/database/base.tar").read_bytes() == CONTENT


def test_nobody_else_opens_it(sealed: Path, keys: Path, tmp_path: Path) -> None:
    with pytest.raises(RestoreError, match=r"does not open with .*other\.key: it is sealed for"):
        opened(sealed, keys / "other.key", tmp_path / "out")


def test_a_key_that_is_protected_opens_by_its_words_alone(
    sealed: Path, keys: Path, tmp_path: Path
) -> None:
    """As `kench pki` and authorities give it out: a .p12."""
    key = load_pem_private_key((keys / "rsa.key").read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    certificate = x509.load_pem_x509_certificate((keys / "rsa.pem").read_bytes())
    protected, words = tmp_path / "rsa.p12", tmp_path / "words"
    protected.write_bytes(
        serialize_key_and_certificates(
            b"rsa", key, certificate, None, BestAvailableEncryption(b"secret")
        )
    )
    words.write_text("secret\n")
    with pytest.raises(RestoreError, match=r"rsa\.p12 does not open as a key.*--key-words"):
        opened(sealed, protected, tmp_path / "none")
    opened(sealed, protected, tmp_path / "out", words)
    assert (tmp_path / "out/one").read_bytes() == CONTENT


def test_a_full_disk_ends_it_in_one_fault(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "CHUNK_BYTES", 100_000)
    # What a tar would still write when it is forgotten is a second fault, which pytest sees.
    with Path("/dev/full").open("wb", buffering=0) as full:
        sealer = Sealer(OPENSSL, recipient_flags([keys / "rsa.pem"], SystemClock().now_us()), full)
        archive = ArchiveWriter(cast("BinaryIO", sealer))
        with pytest.raises(OSError, match="No space left"):
            archive.add_bytes("large", CONTENT)
        archive.abandon()
        sealer.abandon()
    del archive, sealer
    gc.collect()


def test_tar_and_openssl_open_it_without_us(sealed: Path, keys: Path, tmp_path: Path) -> None:
    script = (
        'mkdir m && tar -xf "$1" -C m && for one in m/*.cms; do openssl cms -decrypt -inform DER '
        '-binary -in $one -inkey "$2" || exit 1; done | tar -x'
    )
    subprocess.run(
        ["sh", "-c", script, "sh", sealed, keys / "rsa.key"], cwd=tmp_path, check=True, timeout=60
    )
    assert (tmp_path / "one").read_bytes() == CONTENT


def messages_of(path: Path) -> list[bytes]:
    with tarfile.open(path) as tar:
        return [file.read() for entry in tar if (file := tar.extractfile(entry))]


def written(path: Path, messages: list[bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for number, message in enumerate(messages):
            entry = tarfile.TarInfo(f"{number:06d}.cms")
            entry.size = len(message)
            tar.addfile(entry, io.BytesIO(message))
    return path


@pytest.mark.parametrize("change", ["cut", "swapped", "twice", "flipped"])
def test_what_was_changed_does_not_pass(
    change: str, sealed: Path, keys: Path, tmp_path: Path
) -> None:
    messages = messages_of(sealed)
    assert len(messages) > 4
    if change == "cut":
        messages.pop()
    elif change == "swapped":
        messages[1], messages[2] = messages[2], messages[1]
    elif change == "twice":
        messages.insert(2, messages[2])
    else:
        broken = bytearray(messages[2])
        broken[50_000] ^= 1
        messages[2] = bytes(broken)
    changed = written(tmp_path / "changed", messages)
    with pytest.raises((BackupDamagedError, RestoreError)):
        opened(changed, keys / "rsa.key", tmp_path / "out")


def test_parts_of_a_stream_in_another_order_do_not_pass(tmp_path: Path) -> None:
    """Whoever has the certificates can seal parts anew, below a manifest that the pool signed."""
    raw, changed = io.BytesIO(), io.BytesIO()
    archive = ArchiveWriter(raw)
    list(archive.add_stream(io.BytesIO(b"first second"), "database/base.tar"))
    archive.add_bytes("one", b"1")
    archive.close({"kench_backup": 1}, None)
    raw.seek(0)
    with tarfile.open(fileobj=raw) as old, tarfile.open(fileobj=changed, mode="w") as new:
        first, second, manifest = old.getmembers()
        for entry in (second, first, manifest):
            new.addfile(entry, old.extractfile(entry))
    changed.seek(0)
    with pytest.raises(BackupDamagedError, match="not in the order"):
        unpack(changed, tmp_path)


def test_what_is_unpacked_is_for_its_owner_alone(sealed: Path, keys: Path, tmp_path: Path) -> None:
    opened(sealed, keys / "ec.key", tmp_path / "out")
    assert (tmp_path / "out/one").stat().st_mode & 0o777 == 0o600


def test_a_certificate_that_is_none_or_over_is_refused(keys: Path, tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nothing")
    now_us = SystemClock().now_us()
    for path, at_us in ((nonsense, now_us), (keys / "rsa.pem", now_us + 10 * 86_400_000_000)):
        with pytest.raises(BackupError):
            recipient_flags([path], at_us)
    with pytest.raises(BackupError):
        recipient_flags([], now_us)


@pytest.mark.parametrize("name", ["../out", "/etc/x", "a/../../b"])
def test_a_part_never_goes_outside_the_folder(name: str, tmp_path: Path) -> None:
    raw = io.BytesIO()
    archive = ArchiveWriter(raw)
    archive.add_bytes(name, b"x")
    archive.close({"kench_backup": 1}, None)
    raw.seek(0)
    with pytest.raises(BackupDamagedError):
        unpack(raw, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "link"),
    [(tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "a"), (tarfile.DIRTYPE, ""),
     (tarfile.CHRTYPE, ""), (tarfile.FIFOTYPE, ""), (tarfile.GNUTYPE_SPARSE, "")],
)  # fmt: skip
def test_a_part_is_a_plain_file_or_refused(kind: bytes, link: str, tmp_path: Path) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        entry = tarfile.TarInfo("a")
        entry.type, entry.linkname = kind, link
        tar.addfile(entry)
    raw.seek(0)
    with pytest.raises(BackupDamagedError):
        unpack(raw, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "manifest",
    [b"[" * 100_000, b"{}", b"null", b'{"manifest": 5}', b'{"manifest": "{}"}',
     *(json.dumps({"manifest": json.dumps({"kench_backup": 1, "parts": parts})}).encode()
       for parts in (None, 5, [5], [{}], [{"name": [], "size": 0, "sha256": ""}], "x"))],
    ids=range(11),
)  # fmt: skip
def test_a_manifest_that_says_nonsense_is_refused(manifest: bytes, tmp_path: Path) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        entry = tarfile.TarInfo(MANIFEST)
        entry.size = len(manifest)
        tar.addfile(entry, io.BytesIO(manifest))
    raw.seek(0)
    with pytest.raises(BackupDamagedError):
        unpack(raw, tmp_path)

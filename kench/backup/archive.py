"""The inner archive: a tar of parts, with their SHA-256 in a manifest that is its last part."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple, Protocol

from kench.backup.errors import BackupDamagedError

PART_BYTES = 16 * 1024 * 1024
MANIFEST = "manifest.json"
MANIFEST_BYTES_MAX = 64 * 1024 * 1024
SIGNED = b"kench backup 1\0"
"""Before the manifest's bytes where they are signed, so that no other signature fits."""


class Signer(Protocol):
    """The evidence key."""

    public: bytes

    def sign(self, content: bytes) -> bytes:
        """Return the signature of these bytes."""
        ...


class Part(NamedTuple):
    """One file of the archive, as the manifest names it."""

    name: str
    size: int
    sha256: str


def abandon_tar(tar: tarfile.TarFile) -> None:
    """Let a streamed tar end without the blocks that it would write when it is forgotten."""
    whole: Any = tar
    whole.closed = whole.fileobj.closed = True


class ArchiveWriter:
    """Writes parts one after the other; at most PART_BYTES of a stream are in memory."""

    def __init__(self, target: BinaryIO) -> None:
        self._tar = tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed by `close`
        self.parts: list[Part] = []
        self.written = 0
        """Bytes of all parts so far."""

    def abandon(self) -> None:
        """Write nothing more: what was begun is thrown away."""
        abandon_tar(self._tar)

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a small part."""
        self._add(name, len(content), io.BytesIO(content))

    def add_file(self, path: Path, name: str, size: int | None = None) -> None:
        """Add the first `size` bytes of a file that may be growing, or all it has now."""
        with path.open("rb") as file:
            self._add(name, path.stat().st_size if size is None else size, file)

    def add_stream(self, stream: BinaryIO, name: str) -> Iterator[int]:
        """Add a stream of unknown length as `name.00000`, ...; yield the bytes so far."""
        number, size = 0, 0
        while piece := _read_whole(stream, PART_BYTES):
            self._add(f"{name}.{number:05d}", len(piece), io.BytesIO(piece))
            number, size = number + 1, size + len(piece)
            yield size

    def close(self, facts: dict[str, Any], signer: Signer | None) -> None:
        """Add the manifest, and its signature where there is somebody to sign."""
        content = json.dumps(facts | {"parts": [part._asdict() for part in self.parts]}).encode()
        sealed: dict[str, Any] = {"manifest": content.decode()}
        if signer is not None:
            sealed["public"] = signer.public.hex()
            sealed["signature"] = signer.sign(SIGNED + content).hex()
        self._add(MANIFEST, len(raw := json.dumps(sealed).encode()), io.BytesIO(raw))
        self._tar.close()

    def _add(self, name: str, size: int, source: Any) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = size, 0o600
        hashed = _Hashing(source)
        self._tar.addfile(entry, hashed)
        self.parts.append(Part(name, size, hashed.digest.hexdigest()))
        self.written += size


class _Hashing:
    """What is read from a file, hashed on its way."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._source.read(size)
        self.digest.update(data)
        return data


class Unpacked(NamedTuple):
    """What was found in an archive."""

    facts: dict[str, Any]
    public: bytes | None
    signature: bytes | None
    content: bytes
    """The manifest's very bytes, which the signature is over."""


def unpack(source: BinaryIO, folder: Path) -> Unpacked:
    """Write all parts below an empty folder and compare them with the manifest.

    A part of a stream is put behind the one before. Raises BackupDamagedError.
    """
    found: dict[str, Part] = {}
    sealed: bytes | None = None
    try:
        with tarfile.open(fileobj=source, mode="r|") as tar:
            for entry in tar:
                # A sparse one of a few bytes is as large as its maker says.
                plain = entry.isreg() and not entry.issparse()
                file = tar.extractfile(entry) if plain else None
                if sealed is not None or file is None or entry.name in found:
                    raise BackupDamagedError(f"the backup has a part {entry.name} out of place")
                if entry.name == MANIFEST:
                    if entry.size > MANIFEST_BYTES_MAX:
                        raise BackupDamagedError("the backup's manifest is too large")
                    sealed = file.read()
                else:
                    found[entry.name] = _write(file, _place(folder, entry.name), entry)
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise BackupDamagedError(f"the backup does not hold together ({error})") from error
    if sealed is None:
        raise BackupDamagedError("the backup ends before its manifest: take another copy")
    unpacked, stated = _read_manifest(sealed)
    _compare(found, stated)
    return unpacked


def _read_manifest(sealed: bytes) -> tuple[Unpacked, list[Part]]:
    try:
        outer = json.loads(sealed)
        content = outer["manifest"].encode()
        facts = json.loads(content)
        if facts["kench_backup"] != 1:
            raise BackupDamagedError("the backup was made by a newer Kench: restore it with that")
        stated = [Part(one["name"], one["size"], one["sha256"]) for one in facts["parts"]]
        if any(not isinstance(one.name, str) for one in stated):
            raise TypeError("a part has no name")
        public, signature = (
            bytes.fromhex(outer[name]) if name in outer else None
            for name in ("public", "signature")
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BackupDamagedError(
            "the backup's manifest cannot be read: take another copy"
        ) from error
    return Unpacked(facts, public, signature, content), stated


def _compare(found: dict[str, Part], named: list[Part]) -> None:
    stated = {part.name: part for part in named}
    for name in sorted(found.keys() | stated.keys()):
        if found.get(name) != stated.get(name):
            raise BackupDamagedError(f"{name} in the backup is not what its manifest says")
    # The parts of a stream are one file: in another order it is another.
    if list(found) != [part.name for part in named]:
        raise BackupDamagedError("the backup's parts are not in the order that its manifest says")


def _place(folder: Path, name: str) -> Path:
    """Where a part goes; a stream's parts all to one file."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or not pure.parts:
        raise BackupDamagedError(f"the backup has a part with the name {name!r}")
    if pure.parts[0] == "database" and pure.suffix[1:].isdigit():
        pure = pure.with_suffix("")
    return folder.joinpath(*pure.parts)


def _write(source: Any, path: Path, entry: tarfile.TarInfo) -> Part:
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    # For its owner alone, as it was sealed: the evidence key may be among them.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
        while piece := source.read(1 << 20):
            digest.update(piece)
            size += len(piece)
            file.write(piece)
    return Part(entry.name, size, digest.hexdigest())


def _read_whole(stream: BinaryIO, size: int) -> bytes:
    """Read exactly so much, but at the stream's end."""
    pieces, left = [], size
    while left and (piece := stream.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)

"""The block journal: every found block in a file before it is sent, and what became of it beside.

    DATA/blocks/<front>/
        00000123-<hash>.json       height, hash, the whole block in hex, the finder's note
        00000123-<hash>.open       one JSON line for each outcome, while it is followed
        00000123-<hash>.settled    the same file, renamed when the block's end is known

A block with no `.settled` beside it is taken up again at the next start.
"""

import json
import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import structlog

from kench.pool.durable import sync_directory, sync_file, write_whole
from kench.pool.errors import KenchError

log = structlog.get_logger("kench.blocks")


class BlockJournalError(KenchError):
    """The folder of found blocks cannot be used."""


@dataclass(frozen=True, slots=True)
class FoundBlock:
    """A block that a miner of ours found: display hash, height, serialized block in hex digits."""

    hash: str
    height: int
    block_hex: bytes
    found_us: int
    note: Mapping[str, str | int]

    @property
    def stem(self) -> str:
        """The name of its files, without suffix; they sort by height."""
        return f"{self.height:08d}-{self.hash}"


class BlockJournal:
    """The folder of found blocks. Called by one thread at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _fault(directory, error) from error

    def write(self, block: FoundBlock) -> None:
        """Put a block into a file that outlives this process; `sync` has it outlive the machine.

        Raises BlockJournalError.
        """
        content = {
            "height": block.height,
            "hash": block.hash,
            "found_us": block.found_us,
            "note": dict(block.note),
        }
        # Hex needs no escapes: megabytes of it are not looked at once more.
        begun = json.dumps(content)[:-1] + ', "block_hex": "'
        try:
            write_whole(self._path(block), begun.encode(), block.block_hex, b'"}')
        except OSError as error:
            raise _fault(self._directory, error) from error

    def sync(self, block: FoundBlock) -> None:
        """Have a block that was written outlive a power cut. Raises BlockJournalError."""
        try:
            sync_file(self._path(block))
        except OSError as error:
            raise _fault(self._directory, error) from error

    def append(self, block: FoundBlock, line: Mapping[str, str | int | None]) -> None:
        """Add one outcome; synced when this returns. Raises BlockJournalError."""
        path = self._directory / f"{block.stem}.settled"
        try:
            if not path.exists():
                path = path.with_suffix(".open")
            with path.open("a") as file:
                file.write(json.dumps(dict(line)) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise _fault(self._directory, error) from error

    def settle(self, block: FoundBlock) -> None:
        """Mark that the block's end is known. Raises BlockJournalError."""
        path = self._directory / f"{block.stem}.open"
        try:
            path.rename(path.with_suffix(".settled"))
            sync_directory(self._directory)
        except OSError as error:
            raise _fault(self._directory, error) from error

    def unsettled(self, limit: int) -> list[FoundBlock]:
        """Return the blocks whose end is not known, lowest first, at most the `limit` highest.

        A file that cannot be read is reported and left alone.
        """
        names = {path.name for path in self._directory.iterdir()}
        stems = sorted(
            name.removesuffix(".json")
            for name in names
            if name.endswith(".json") and f"{name.removesuffix('.json')}.settled" not in names
        )
        blocks = [self._read(self._directory / f"{stem}.json") for stem in stems[-limit:]]
        return [block for block in blocks if block is not None]

    def _path(self, block: FoundBlock) -> Path:
        return self._directory / f"{block.stem}.json"

    def _read(self, path: Path) -> FoundBlock | None:
        try:
            content = json.loads(path.read_text())
            return FoundBlock(
                content["hash"],
                content["height"],
                bytes(content["block_hex"], "ascii"),
                content["found_us"],
                content["note"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("block file cannot be read", path=str(path), why=repr(error))
            return None


def adopt_unsettled(root: Path, into: Path, others: AbstractSet[Path]) -> int:
    """Move the blocks whose end is not known from folders that no front has into `into`.

    Such a folder is left when fewer fronts run than before, or other numbers; `others` are in
    use. Returns how many were moved. Raises BlockJournalError.
    """
    moved = 0
    try:
        into.mkdir(parents=True, exist_ok=True)
        folders = [root, *(path for path in sorted(root.iterdir()) if path.is_dir())]
        for folder in folders:
            if folder == into or folder in others:
                continue
            for path in sorted(folder.glob("*-*.json")):
                if not path.with_suffix(".settled").exists():
                    for part in (path.with_suffix(".open"), path):
                        if part.exists():
                            part.rename(into / part.name)
                    moved += 1
    except OSError as error:
        raise _fault(root, error) from error
    return moved


def _fault(directory: Path, error: OSError) -> BlockJournalError:
    return BlockJournalError(
        f"blocks cannot be kept in {directory} ({error.strerror}): make room there, or choose"
        " another folder with KENCH_DATA"
    )

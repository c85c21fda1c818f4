"""Files and names that outlive a power cut."""

import os
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file by one with this content, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_directory(path.parent)


def write_whole(path: Path, *pieces: bytes) -> None:
    """Replace a file at once, for everybody but a machine that loses power; `sync_file` then."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb", buffering=0) as file:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[file.write(view) :]
    partial.replace(path)


def sync_file(path: Path) -> None:
    """Make a file and its name durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

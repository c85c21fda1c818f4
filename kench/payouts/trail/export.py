"""A stretch of the trail as a ZIP that is checked without a database, by us or by anybody.

range.json     which stretch it is: after which line and hash, until which
trail.jsonl    the lines, each as its hash covers it
seals.txt      number and hash of each
anchors.jsonl  the anchors in it: what was signed, and the signature
README.txt     how to check all of it with sha256sum and openssl
"""

import contextlib
import json
import zipfile
import zlib
from collections.abc import Callable, Collection, Generator, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from kench.payouts.proofs.canonical import Shape, decode, encode, exactly, hex_of, natural, text
from kench.payouts.proofs.errors import ProofRefusedError
from kench.payouts.trail.anchors import Anchor, anchors_of_numbers
from kench.payouts.trail.chain import Link, Verified, verify
from kench.payouts.trail.lines import MOMENT, Head
from kench.payouts.trail.reading import Stretch, head_at, links_of
from kench.pool.errors import KenchError
from kench.pool.moments import moment_of

RANGE, LINES, SEALS, ANCHORS, README = (
    "range.json", "trail.jsonl", "seals.txt", "anchors.jsonl", "README.txt",
)  # fmt: skip
LINE_BYTES_MAX = 65_536
ANCHORS_MAX = 40_000
BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, LookupError, ValueError, ProofRefusedError,
    # Of a ZIP that is sealed by words, or packed in a way that is not known here.
    RuntimeError,
)  # fmt: skip
_RANGE: Shape = {
    "after": natural, "hash": hex_of(32), "kench_trail": exactly(1), "made_at": text,
    "previous": hex_of(32), "until": natural,
}  # fmt: skip
_ANCHOR: Shape = {"content": text, "signature": hex_of(64)}
_CONTENT: Shape = {
    "day": text, "hash": hex_of(32), "kench_trail_anchor": exactly(1), "key": hex_of(32),
    "made_at": text, "number": natural,
}  # fmt: skip
_HOW = """\
The trail of the cabinet, lines {first} to {until}. `kench trail check FILE` checks all of it.

By hand: for a line of trail.jsonl that follows the hash $PREVIOUS (of the line before it in
seals.txt; of the first line here it is in range.json)

    printf 'kench trail 1\\n%s\\n%s' "$PREVIOUS" "$LINE" | sha256sum

is the hash that seals.txt has for it. Each line of anchors.jsonl has, as "content", what the pool
signed (Ed25519) when a day was over: the day, the number of its last line, that line's hash. With
the content in anchor.txt (no line end), the signature as bytes in anchor.sig and the pool's public
key in key.pem:

    openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in anchor.txt -sigfile anchor.sig
"""


class TrailFileError(KenchError):
    """The file cannot be read as an exported trail."""


def write_export(
    db: sa.Connection,
    into: IO[bytes],
    stretch: Stretch,
    now_us: int,
    show: Callable[[int], None] = lambda _: None,
) -> None:
    """Write the lines of a stretch."""
    after, until = stretch
    begins, ends = head_at(db, after), head_at(db, until)
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as files:
        files.writestr(
            RANGE,
            encode(
                {
                    "after": after,
                    "hash": ends.hash.hex(),
                    "kench_trail": 1,
                    "made_at": moment_of(now_us).strftime(MOMENT),
                    "previous": begins.hash.hex(),
                    "until": until,
                }
            ),
        )
        with files.open(LINES, "w", force_zip64=True) as lines:
            for link in links_of(db, after, until, show):
                if link.line is not None:
                    lines.write(link.line + b"\n")
        with files.open(SEALS, "w", force_zip64=True) as seals:
            for link in links_of(db, after, until):
                seals.write(f"{link.number} {link.hash.hex()}\n".encode())
        with files.open(ANCHORS, "w") as anchors:
            for one in anchors_of_numbers(db, after, until):
                held = {"content": one.content.decode(), "signature": one.signature.hex()}
                anchors.write(encode(held) + b"\n")
        files.writestr(README, _HOW.format(first=after + 1, until=until))


def check_export(
    path: Path,
    *,
    key: bytes | None = None,
    known: Collection[Head] = (),
    show: Callable[[int], None] = lambda _: None,
) -> Verified:
    """Check such a file with nothing but itself. Raises TrailFileError where it is none."""
    try:
        with zipfile.ZipFile(path) as files:
            stretch = decode(_read(files, RANGE), _RANGE, RANGE)
            anchors = list(_anchors(files))
            begins = Head(stretch["after"], bytes.fromhex(stretch["previous"]))
            until = stretch["until"]
            found = verify(
                _links(files, begins, show), anchors, begins=begins, until=until, key=key,
                known=known,
            )  # fmt: skip
    except OSError as error:
        raise TrailFileError(f"{path} cannot be read: {error.strerror or error}") from error
    except BROKEN as broken:
        raise TrailFileError(f"{path} is no exported trail: {broken}") from broken
    if found.ends != Head(until, bytes.fromhex(stretch["hash"])):
        found.add(f"it does not end with the hash that {RANGE} says")
    return found


def _read(files: zipfile.ZipFile, name: str) -> bytes:
    with files.open(name) as file:
        return file.read(LINE_BYTES_MAX)


def _rows(files: zipfile.ZipFile, name: str) -> Generator[bytes]:
    with files.open(name) as file:
        while line := file.readline(LINE_BYTES_MAX):
            if not line.endswith(b"\n"):
                raise ValueError(f"{name} has a line that does not end")
            yield line[:-1]


def _links(files: zipfile.ZipFile, begins: Head, show: Callable[[int], None]) -> Iterator[Link]:
    """Yield lines with their seals, brought together by their numbers."""
    with (
        contextlib.closing(_rows(files, LINES)) as lines,
        contextlib.closing(_rows(files, SEALS)) as seals,
    ):
        previous = begins.hash
        line, number = _next_line(lines)
        for seal in seals:
            words = seal.split()
            sealed, hash_ = int(words[0]), bytes.fromhex(words[1].decode())
            while line is not None and number < sealed:
                yield Link(number, b"", b"", line)
                line, number = _next_line(lines)
            if number == sealed:
                yield Link(sealed, previous, hash_, line)
                line, number = _next_line(lines)
            else:
                yield Link(sealed, previous, hash_, None)
            previous = hash_
            show(sealed)
        while line is not None:
            yield Link(number, b"", b"", line)
            line, number = _next_line(lines)


def _next_line(lines: Iterator[bytes]) -> tuple[bytes | None, int]:
    line = next(lines, None)
    if line is None:
        return None, -1
    try:
        value: Any = json.loads(line)
    except RecursionError as error:
        raise ValueError("a line is nested too deeply") from error
    if not isinstance(value, dict) or not natural(value.get("number")):
        raise ValueError("a line has no number")
    return line, int(value["number"])


def _anchors(files: zipfile.ZipFile) -> Iterator[Anchor]:
    for count, row in enumerate(_rows(files, ANCHORS), start=1):
        if count > ANCHORS_MAX:
            raise ValueError(f"{ANCHORS} has more than {ANCHORS_MAX} anchors")
        held = decode(row, _ANCHOR, ANCHORS)
        said = decode(held["content"].encode(), _CONTENT, ANCHORS)
        yield Anchor(
            date.fromisoformat(said["day"]),
            said["number"],
            bytes.fromhex(said["hash"]),
            bytes.fromhex(held["signature"]),
            bytes.fromhex(said["key"]),
            datetime.strptime(said["made_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
        )

"""`kench proof`: what a participant has in a block, proved; and its own shares for it."""

import argparse
import contextlib
import string
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.progress import MofNCompleteColumn
from rich.progress import Progress as Bar

from kench.payouts import tables as books
from kench.payouts.proofs.evidence import EvidenceKey
from kench.payouts.proofs.gathering import WindowReader, read_repeats
from kench.payouts.proofs.giving import NoProofError, make_proof
from kench.payouts.proofs.making import NoManifestError
from kench.payouts.proofs.own_shares import check_file, write_file
from kench.payouts.proofs.proof import Proof
from kench.payouts.proofs.tables import manifests
from kench.pool.database import Role, one_transaction
from kench.pool.errors import KenchError
from kench.pool.postgres import database_url
from kench.pool.roots import command, run_root, settings_of, start_logging
from kench.pool.settings import Settings

ROLE = "proof"
HASH_DIGITS = 64


class ProofNotWrittenError(KenchError):
    """A proof's file cannot be written."""


def main() -> None:
    """Write a proof, or a proof and its shares."""
    shares = sys.argv[1:2] == ["shares"]
    given = _parser(shares=shares).parse_args(sys.argv[2:] if shares else None)
    settings = settings_of(given)
    start_logging(ROLE)
    with (
        database_url(settings) as url,
        one_transaction(url, Role.READ, application_name="kench proof") as connection,
    ):
        block_hash = find_block(connection, given.block)
        proof = make_proof(connection, block_hash, given.participant)
        repeats = read_repeats(connection, proof.manifest)
    # Without a transaction, which may not be idle for as long as shares are read.
    if shares:
        count = _write_shares(settings, proof, repeats, given.output)
        print(f"{given.output}: {count} shares, {proof.work_hashes} hashes of work")
    elif given.output:
        with _written(given.output) as partial:
            partial.write_bytes(proof.line())
        print(given.output)
    else:
        sys.stdout.write(proof.line().decode())


def find_block(connection: sa.Connection, words: str) -> str:
    """Return the hash of a block that is named by hash or height. Raises NoProofError."""
    blocks = books.blocks.c
    if len(words) == HASH_DIGITS and not words.strip(string.hexdigits):
        return words.lower()
    if not (words.isascii() and words.isdecimal() and len(words) < 10):
        raise NoProofError(f"{words} is neither the hash of a block nor a height")
    found = list(
        connection.execute(
            sa.select(blocks.hash)
            .join(manifests, manifests.c.block_hash == blocks.hash)
            .where(blocks.height == int(words))
            .order_by(blocks.hash)
        ).scalars()
    )
    if len(found) > 1:
        raise NoProofError(f"at height {words} are several blocks, name one: {' '.join(found)}")
    if not found:
        raise NoManifestError(f"no block at height {words} has a manifest")
    return str(found[0])


def _write_shares(
    settings: Settings, proof: Proof, repeats: Mapping[int, set[int]], output: Path
) -> int:
    """Write a file of shares, whole or not at all, after checking it as its reader will."""
    path = settings.evidence_key or settings.own_evidence_key
    key = EvidenceKey.read(path)
    if key.public != proof.manifest.key:
        raise NoProofError(
            f"the manifest is signed by key {proof.manifest.key.hex()}, which is not {path}: give "
            "that one by KENCH_EVIDENCE_KEY"
        )
    reader = WindowReader(settings.data_dir / "journal", proof.manifest, repeats)
    whole = sum(end - start for start, end in proof.manifest.bounds().values())
    with _written(output) as partial:
        with progress("reading shares", whole) as show, partial.open("wb") as file:
            own = ((number, records) for number, records in reader.own(proof.participant_id)
                   if show(reader.shares_read) is None)  # fmt: skip
            count = write_file(file, proof, own, reader.job, key)
        with (
            progress("checking them", partial.stat().st_size) as show,
            partial.open("rb") as written,
        ):
            check_file(written, show)
    return count


@contextlib.contextmanager
def _written(output: Path) -> Iterator[Path]:
    """Give a file beside `output` that takes its place when all went well, else goes."""
    partial = output.with_name(output.name + ".partial")
    try:
        try:
            yield partial
            partial.replace(output)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ProofNotWrittenError(
            f"{output} was not written: {error}; give another --output, or restore the journal"
        ) from error


@contextlib.contextmanager
def progress(what: str, whole: int = 0) -> Iterator[Callable[[int], None]]:
    """Show how far something is, on a terminal only; of how much, where that is known."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    columns = (*Bar.get_default_columns(), MofNCompleteColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=whole or None)
        yield lambda done: bar.update(task, completed=done)


def _parser(*, shares: bool) -> argparse.ArgumentParser:
    if shares:
        parser = command(
            f"{ROLE} shares",
            "Write a participant's own shares that a block pays, with its proof: every record and "
            "the\njobs to hash it again. `kench check-proof` does so.",
            example="kench proof shares 850123 7 -o shares.jsonl",
        )
    else:
        parser = command(
            ROLE,
            "Prove what a participant has in a block: its work and satoshi, the path to the root "
            "that\nthe pool signed, and what it signed. `kench check-proof` checks it with "
            "nothing else.\n`kench proof shares` adds the participant's own shares.",
            example="kench proof 850123 7 -o proof.json\n"
            "  kench proof shares 850123 7 -o shares.jsonl",
        )
    parser.add_argument("block", metavar="BLOCK", help="its hash or height")
    parser.add_argument("participant", metavar="PARTICIPANT", type=int, help="its number")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", required=shares,
        help="file to write" if shares else "file to write (default: standard output)",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    run_root(ROLE, main)

"""`kench check-proof`: a proof or a file of shares, checked with nothing but itself."""

import sys
from hashlib import sha256
from pathlib import Path

from rich.console import Console
from rich.progress import Progress as Bar

from kench.payouts.proofs.errors import ProofRefusedError
from kench.payouts.proofs.evidence import read_public_key
from kench.payouts.proofs.manifest import Manifest
from kench.payouts.proofs.own_shares import Checked, check_file
from kench.pool.errors import KenchError
from kench.pool.roots import command, one_line, run_root

ROLE = "check-proof"


class ProofFileError(KenchError):
    """The file cannot be read."""


def main() -> int:
    """Say what the file proves (status 0), or why it proves nothing (1)."""
    parser = command(
        ROLE,
        "Check a proof, and the shares where the file has some: signature, path, sums, and every "
        "share\nhashed again. Needs no database, no settings and no network. Exit status 1 where "
        "anything differs.",
        example="kench check-proof proof.json --key 5f0c...e1\n"
        "  kench check-proof shares.jsonl --key pool.pem\n"
        "  kench check-proof proof.json --other neighbours-proof.json",
        data=False,
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="what `kench proof` wrote")
    parser.add_argument(
        "--key", metavar="KEY", help="the pool's public key as you know it: 64 hex digits or a PEM"
    )
    parser.add_argument(
        "--other", metavar="FILE", type=Path, action="append", default=[],
        help="another participant's proof of the same block: both must be of one manifest",
    )  # fmt: skip
    given = parser.parse_args()
    pinned = None if given.key is None else read_public_key(given.key)
    try:
        checked = _check(given.file)
        key = checked.proof.manifest.key
        if pinned is not None and key != pinned:
            raise ProofRefusedError(f"it is signed by key {key.hex()}, not by the one you gave")
        for path in given.other:
            compare(checked.proof.manifest, _check(path).proof.manifest)
    except ProofRefusedError as refused:
        print(f"kench check-proof: REFUSED: {one_line(str(refused))}")
        return 1
    except OSError as error:
        raise ProofFileError(f"{error.filename} cannot be read: {error.strerror}") from error
    for line in words(checked, pinned=pinned is not None):
        print(line)
    return 0


def compare(manifest: Manifest, other: Manifest) -> None:
    """Raise ProofRefusedError unless two participants were told the same of a block.

    Each story adds up for whom it was made for; only side by side they are seen to be two.
    """
    if (manifest.key, manifest.block.hash) != (other.key, other.block.hash):
        raise ProofRefusedError("the other proof is of another block, or of another key")
    if manifest.content() != other.content():
        raise ProofRefusedError(
            f"TWO STORIES of block {manifest.block.hash}, both signed by key {manifest.key.hex()}: "
            "keep both files, together they prove it"
        )


def words(checked: Checked, *, pinned: bool) -> list[str]:
    """Return what was proved, in lines."""
    proof, manifest = checked.proof, checked.proof.manifest
    root = manifest.root
    shares = (
        "not in this file, so not checked"
        if checked.shares is None
        else f"{checked.shares} hashed again, their work is what is paid"
    )
    key = "as you gave it" if pinned else "from the file itself: compare it, or give it by --key"
    return [
        f"participant  {proof.participant_id} {one_line(proof.name)}",
        f"has          {proof.reward_sat} of {root.reward_sat} sat",
        f"for          {proof.work_hashes} of {root.work_hashes} hashes of work",
        f"in block     {manifest.block.hash} at height {manifest.block.height}",
        f"coinbase     {manifest.block.coinbase_txid}",
        f"by           method {one_line(manifest.reward.method)} of order {manifest.reward.order}",
        f"among        {root.participants} participants",
        f"shares       {shares}",
        f"manifest     {sha256(manifest.content()).hexdigest()} (the same for all in this block)",
        f"signed by    {manifest.key.hex()} ({key})",
        "kench check-proof: it holds",
    ]


def _check(path: Path) -> Checked:
    with path.open("rb") as file:
        if not sys.stderr.isatty():
            return check_file(file)
        with Bar(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("checking", total=path.stat().st_size)
            return check_file(file, lambda read: bar.update(task, completed=read))


if __name__ == "__main__":
    run_root(ROLE, main)

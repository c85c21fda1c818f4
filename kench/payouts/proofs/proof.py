"""A proof of inclusion: one line that shows what a participant has in a block, and that it is all.

It holds the participant's leaf with name and salt, the path to the root, the manifest and its
signature, and is checked with nothing but itself.
"""

from dataclasses import dataclass
from typing import Any, Self

from kench.payouts.proofs.canonical import Shape, decimal, decode, encode, exactly, hex_of, natural
from kench.payouts.proofs.canonical import text as is_text
from kench.payouts.proofs.errors import ProofRefusedError
from kench.payouts.proofs.manifest import (
    DIGEST,
    SHAPE,
    SIGNATURE_BYTES,
    Manifest,
    SignedManifest,
)
from kench.payouts.proofs.tree import HASH_BYTES, Entry, Leaf, climb, digest_of_name

VERSION = 1
PROOF_BYTES_MAX = 16 * 2**20
"""Far more than a window of a hundred thousand segments needs."""
_SHAPE: Shape = {
    "kench_proof": exactly(VERSION),
    "leaf": {
        "index": natural,
        "participant": natural,
        "name": is_text,
        "salt": hex_of(HASH_BYTES),
        "work_hashes": decimal,
        "reward_sat": natural,
    },
    "path": [{"work_hashes": decimal, "reward_sat": natural, "hash": DIGEST}],
    "manifest": SHAPE,
    "signature": hex_of(SIGNATURE_BYTES),
}


@dataclass(frozen=True, slots=True)
class Proof:
    """What a participant has in a block, and what proves it."""

    index: int
    participant_id: int
    name: str
    salt: bytes
    work_hashes: int
    reward_sat: int
    path: list[Entry]
    signed: SignedManifest

    @property
    def manifest(self) -> Manifest:
        """The block's manifest."""
        return self.signed.manifest

    def line(self) -> bytes:
        """Return the proof as the one line that it is."""
        value: dict[str, Any] = {
            "kench_proof": VERSION,
            "leaf": {
                "index": self.index,
                "participant": self.participant_id,
                "name": self.name,
                "salt": self.salt.hex(),
                "work_hashes": str(self.work_hashes),
                "reward_sat": self.reward_sat,
            },
            "path": [
                {
                    "work_hashes": str(entry.work_hashes),
                    "reward_sat": entry.reward_sat,
                    "hash": entry.hash.hex(),
                }
                for entry in self.path
            ],
            "manifest": self.manifest.value(),
            "signature": self.signed.signature.hex(),
        }
        return encode(value) + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Self:
        """Read a proof and check all that it says. Raises ProofRefusedError."""
        if not line.endswith(b"\n"):
            raise ProofRefusedError(
                "the proof does not end with its line: it is longer than any, or was cut off"
            )
        value = decode(line[:-1], _SHAPE, "the proof")
        leaf = value["leaf"]
        signed = SignedManifest(Manifest.of(value["manifest"]), bytes.fromhex(value["signature"]))
        proof = cls(
            index=leaf["index"],
            participant_id=leaf["participant"],
            name=leaf["name"],
            salt=bytes.fromhex(leaf["salt"]),
            work_hashes=int(leaf["work_hashes"]),
            reward_sat=leaf["reward_sat"],
            path=[
                Entry(int(one["work_hashes"]), one["reward_sat"], bytes.fromhex(one["hash"]))
                for one in value["path"]
            ],
            signed=signed,
        )
        proof.check()
        return proof

    def check(self) -> None:
        """Raise ProofRefusedError, with what differs, unless all of it holds together."""
        self.signed.check()
        stated = self.manifest.root
        leaf = Leaf(
            self.participant_id,
            self.work_hashes,
            self.reward_sat,
            digest_of_name(self.salt, self.name),
        )
        found = climb(leaf, self.index, stated.participants, self.path)
        for what, unit in (("reward_sat", "sat"), ("work_hashes", "hashes")):
            have, want = getattr(found, what), getattr(stated, what)
            if have != want:
                raise ProofRefusedError(
                    f"leaf and path add up to {have} {unit}, and the manifest says {want}"
                )
        if found.hash != stated.hash:
            raise ProofRefusedError(
                "leaf and path lead to another root than the manifest's: a number, the participant,"
                " its name or salt, or the path was changed"
            )

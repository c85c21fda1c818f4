"""The manifest of a block: what it paid, by which rule, from which shares; signed as it stands."""

from dataclasses import dataclass, field
from typing import Any, Self

from kench.payouts.proofs.canonical import (
    Shape,
    decimal,
    decode,
    encode,
    exactly,
    hex_of,
    natural,
    text,
    truth,
)
from kench.payouts.proofs.errors import ProofRefusedError
from kench.payouts.proofs.evidence import EvidenceKey, check_signature
from kench.payouts.proofs.tree import HASH_BYTES, Root
from kench.pool.journal.format import SegmentDigest

VERSION = 1
REMAINDER_RULE = "largest fraction first, equal fractions by lower participant id"
DIGEST = hex_of(HASH_BYTES)
SIGNATURE_BYTES = 64


def _parameters(value: object) -> bool:
    return isinstance(value, dict) and all(text(one) or natural(one) for one in value.values())


def _cut(value: object) -> bool:
    return value is None or (
        isinstance(value, dict)
        and value.keys() == {"instance", "sequence", "work_hashes"}
        and natural(value["instance"])
        and natural(value["sequence"])
        and decimal(value["work_hashes"])
    )


SHAPE: Shape = {
    "kench_manifest": exactly(VERSION),
    "software": text,
    "key": DIGEST,
    "block": {
        "hash": DIGEST,
        "height": natural,
        "coinbase_txid": DIGEST,
        "instance": natural,
        "sequence": natural,
        "found_us": natural,
        "credited": truth,
    },
    "reward": {
        "reward_sat": natural,
        "method": text,
        "order": natural,
        "parameters": _parameters,
        "remainder": text,
    },
    "window": {
        "cut": _cut,
        "journals": [
            {
                "instance": natural,
                "from_sequence": natural,
                "to_sequence": natural,
                "segments": [
                    {
                        "first_sequence": natural,
                        "records": natural,
                        "shares_sha256": DIGEST,
                        "jobs_sha256": DIGEST,
                        "previous": DIGEST,
                    }
                ],
            }
        ],
    },
    "tree": {
        "participants": natural,
        "work_hashes": decimal,
        "reward_sat": natural,
        "root": DIGEST,
    },
}


@dataclass(frozen=True, slots=True)
class Block:
    """The block that a manifest is of, and the record of the journal that shows it."""

    hash: str
    height: int
    coinbase_txid: str
    instance: int
    sequence: int
    found_us: int
    credited: bool


@dataclass(frozen=True, slots=True)
class Reward:
    """What was split, and by which order of the authorised body."""

    reward_sat: int
    method: str
    order: int
    parameters: dict[str, int | str]


@dataclass(frozen=True, slots=True)
class CutShare:
    """The one share of a window that counts with a part of its work only."""

    instance: int
    sequence: int
    work_hashes: int


@dataclass(frozen=True, slots=True)
class JournalWindow:
    """The shares of one journal that a block pays, and the digests of the segments they are in.

    From `from_sequence`, before `to_sequence`. The last segment is taken up to there only: its
    records before `to_sequence`, and its jobs up to the last that those are of.
    """

    instance: int
    from_sequence: int
    to_sequence: int
    segments: list[SegmentDigest] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that a block's payment followed from, and the root over whom it pays."""

    software: str
    key: bytes
    block: Block
    reward: Reward
    cut: CutShare | None
    journals: list[JournalWindow]
    root: Root

    def content(self) -> bytes:
        """Return the canonical text, which is what is signed."""
        return encode(self.value())

    def value(self) -> dict[str, Any]:
        """Return the manifest as JSON has it."""
        block, reward, root = self.block, self.reward, self.root
        return {
            "kench_manifest": VERSION,
            "software": self.software,
            "key": self.key.hex(),
            "block": {name: getattr(block, name) for name in Block.__slots__},
            "reward": {
                **{name: getattr(reward, name) for name in Reward.__slots__},
                "remainder": REMAINDER_RULE,
            },
            "window": {
                "cut": None
                if self.cut is None
                else {
                    "instance": self.cut.instance,
                    "sequence": self.cut.sequence,
                    "work_hashes": str(self.cut.work_hashes),
                },
                "journals": [_journal_value(one) for one in self.journals],
            },
            "tree": {
                "participants": root.participants,
                "work_hashes": str(root.work_hashes),
                "reward_sat": root.reward_sat,
                "root": root.hash.hex(),
            },
        }

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Read a manifest and see that it agrees with itself. Raises ProofRefusedError."""
        return cls.of(decode(content, SHAPE, "the manifest"))

    @classmethod
    def of(cls, value: dict[str, Any]) -> Self:
        """Read a manifest whose shape was checked. Raises ProofRefusedError."""
        block, reward, window, tree = (
            value[name] for name in ("block", "reward", "window", "tree")
        )
        if reward["remainder"] != REMAINDER_RULE:
            raise ProofRefusedError("the manifest names a remainder rule that nobody knows")
        cut = window["cut"]
        manifest = cls(
            software=value["software"],
            key=bytes.fromhex(value["key"]),
            block=Block(**block),
            reward=Reward(**{name: reward[name] for name in Reward.__slots__}),
            cut=cut and CutShare(cut["instance"], cut["sequence"], int(cut["work_hashes"])),
            journals=[_journal_of(one) for one in window["journals"]],
            root=Root(
                tree["participants"],
                int(tree["work_hashes"]),
                tree["reward_sat"],
                bytes.fromhex(tree["root"]),
            ),
        )
        manifest._check()
        return manifest

    def _check(self) -> None:
        if self.root.reward_sat != self.reward.reward_sat:
            raise ProofRefusedError(
                f"the manifest splits {self.root.reward_sat} sat of {self.reward.reward_sat}"
            )
        instances = [journal.instance for journal in self.journals]
        if instances != sorted(set(instances)):
            raise ProofRefusedError("the manifest's journals are not in order, each once")
        for journal in self.journals:
            _check_journal(journal)

    def bounds(self) -> dict[int, tuple[int, int]]:
        """Return the first sequence of each journal that is paid, and the first behind."""
        return {one.instance: (one.from_sequence, one.to_sequence) for one in self.journals}


@dataclass(frozen=True, slots=True)
class SignedManifest:
    """A manifest with the signature over its text."""

    manifest: Manifest
    signature: bytes

    def check(self) -> None:
        """Raise ProofRefusedError unless the signature is the manifest's key's."""
        check_signature(self.manifest.key, self.signature, self.manifest.content())


def sign(manifest: Manifest, key: EvidenceKey) -> SignedManifest:
    """Sign a manifest that names this key."""
    if manifest.key != key.public:
        raise ValueError("a manifest names the key that signs it")
    return SignedManifest(manifest, key.sign(manifest.content()))


def _journal_value(journal: JournalWindow) -> dict[str, Any]:
    return {
        "instance": journal.instance,
        "from_sequence": journal.from_sequence,
        "to_sequence": journal.to_sequence,
        "segments": [
            {name: getattr(segment, name) for name in SegmentDigest.__slots__}
            for segment in journal.segments
        ],
    }


def _journal_of(value: dict[str, Any]) -> JournalWindow:
    return JournalWindow(
        value["instance"],
        value["from_sequence"],
        value["to_sequence"],
        [SegmentDigest(**segment) for segment in value["segments"]],
    )


def _check_journal(journal: JournalWindow) -> None:
    """See that the segments follow each other, chained, over all that is paid."""
    where = f"journal {journal.instance} of the manifest"
    if journal.to_sequence < journal.from_sequence:
        raise ProofRefusedError(f"{where} ends before it begins")
    if journal.to_sequence == journal.from_sequence:
        if journal.segments:
            raise ProofRefusedError(f"{where} has segments and no shares")
        return
    end, previous = None, None
    for segment in journal.segments:
        if end is None:
            end = segment.first_sequence
            if end > journal.from_sequence or end + segment.records <= journal.from_sequence:
                raise ProofRefusedError(f"{where} begins outside its first segment")
        elif segment.first_sequence != end or segment.previous != previous:
            raise ProofRefusedError(f"{where} has segments that do not follow each other")
        end, previous = end + segment.records, segment.digest
    if end != journal.to_sequence:
        raise ProofRefusedError(f"{where} has segments that do not end where it does")

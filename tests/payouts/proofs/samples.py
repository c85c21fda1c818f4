"""Made-up trees, manifests and proofs for tests, without a journal or a database."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kench.payouts.proofs.evidence import EvidenceKey
from kench.payouts.proofs.manifest import (
    Block,
    CutShare,
    JournalWindow,
    Manifest,
    Reward,
    SignedManifest,
    sign,
)
from kench.payouts.proofs.proof import Proof
from kench.payouts.proofs.tree import Leaf, Tree, digest_of_name, salt_of
from kench.pool.journal.format import NO_DIGEST, SegmentDigest

KEY = EvidenceKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
SALT_SOURCE = bytes(range(32, 64))
Amounts = dict[int, tuple[int, int]]
"""Work and satoshi by participant id."""


def name_of(participant_id: int) -> str:
    return f"ОсОО «Кен № {participant_id}»"


def leaf(participant_id: int, work_hashes: int, reward_sat: int) -> Leaf:
    salt = salt_of(SALT_SOURCE, participant_id)
    digest = digest_of_name(salt, name_of(participant_id))
    return Leaf(participant_id, work_hashes, reward_sat, digest)


def tree_of(amounts: Amounts) -> Tree:
    return Tree(leaf(who, *amounts[who]) for who in sorted(amounts))


def signed_manifest(tree: Tree, *, key: EvidenceKey = KEY) -> SignedManifest:
    root = tree.root()
    first = SegmentDigest(0, 1000, "11" * 32, "22" * 32, NO_DIGEST)
    second = SegmentDigest(1000, 77, "33" * 32, "44" * 32, first.digest)
    return sign(
        Manifest(
            software="0.1.0",
            key=key.public,
            block=Block(
                "00" * 8 + "ab" * 24, 850_001, "cd" * 32, 1, 76, 1_700_000_000_000_000, True
            ),
            reward=Reward(root.reward_sat, "pplns", 7, {"window_ppm": 2_000_000}),
            cut=CutShare(0, 417, 12_345),
            journals=[
                JournalWindow(0, 417, 1077, [first, second]),
                JournalWindow(1, 0, 77, [SegmentDigest(0, 77, "55" * 32, "66" * 32, NO_DIGEST)]),
                JournalWindow(2, 5, 5, []),
            ],
            root=root,
        ),
        key,
    )


def proof_of(amounts: Amounts, participant_id: int, *, key: EvidenceKey = KEY) -> Proof:
    tree = tree_of(amounts)
    index = tree.index_of(participant_id)
    assert index is not None
    return Proof(
        index,
        participant_id,
        name_of(participant_id),
        salt_of(SALT_SOURCE, participant_id),
        *amounts[participant_id],
        tree.path(index),
        signed_manifest(tree, key=key),
    )

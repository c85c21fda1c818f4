"""A tree's root commits to every participant, number and name; a path proves one leaf of it."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kench.payouts.proofs.errors import ProofRefusedError
from kench.payouts.proofs.tree import (
    MONEY_MAX_SAT,
    Entry,
    Leaf,
    Tree,
    TreeError,
    climb,
    digest_of_name,
    root_of,
)
from tests.payouts.proofs.samples import Amounts, leaf, tree_of

AMOUNTS = st.dictionaries(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(0, 2**200), st.integers(0, 10**12)),
    min_size=1,
    max_size=40,
)
DIGEST = bytes(32)


@settings(max_examples=60)
@given(AMOUNTS, st.data())
def test_every_leaf_climbs_to_the_root_and_sums_are_all_there_is(
    amounts: Amounts, data: st.DataObject
) -> None:
    tree = tree_of(amounts)
    root = tree.root()
    assert root.participants == len(amounts)
    assert root.work_hashes == sum(work for work, _ in amounts.values())
    assert root.reward_sat == sum(sat for _, sat in amounts.values())
    who = data.draw(st.sampled_from(sorted(amounts)))
    index = tree.index_of(who)
    assert index is not None
    assert climb(leaf(who, *amounts[who]), index, root.participants, tree.path(index)) == root


@settings(max_examples=60)
@given(AMOUNTS, st.data())
def test_another_number_name_place_or_count_leads_elsewhere(
    amounts: Amounts, data: st.DataObject
) -> None:
    tree = tree_of(amounts)
    root, who = tree.root(), data.draw(st.sampled_from(sorted(amounts)))
    index = tree.index_of(who)
    assert index is not None
    true, path = leaf(who, *amounts[who]), tree.path(index)
    changed = data.draw(
        st.sampled_from(
            [
                true._replace(participant_id=who + 1),
                true._replace(work_hashes=true.work_hashes + 1),
                true._replace(reward_sat=true.reward_sat + 1),
                true._replace(name_digest=digest_of_name(DIGEST, "another")),
            ]
        )
    )
    assert climb(changed, index, root.participants, path) != root
    for place in {index - 1, index + 1, index ^ 2} - {index}:
        if 0 <= place < root.participants:
            assert _root_or_none(true, place, root.participants, path) != root
    for count in (root.participants - 1, root.participants + 1, root.participants * 2):
        assert _root_or_none(true, index, count, path) != root


def _root_or_none(one: Leaf, index: int, count: int, path: list[Entry]) -> object:
    try:
        return climb(one, index, count, path)
    except ProofRefusedError:
        return None


@settings(max_examples=40)
@given(AMOUNTS.filter(lambda amounts: len(amounts) > 1), st.data())
def test_satoshi_moved_between_a_leaf_and_its_neighbour_lead_elsewhere(
    amounts: Amounts, data: st.DataObject
) -> None:
    tree = tree_of(amounts)
    root, who = tree.root(), data.draw(st.sampled_from(sorted(amounts)))
    index = tree.index_of(who)
    assert index is not None
    path, true = tree.path(index), leaf(who, *amounts[who])
    beside = path[0]
    if not beside.reward_sat:
        return
    moved = [beside._replace(reward_sat=beside.reward_sat - 1), *path[1:]]
    found = climb(true._replace(reward_sat=true.reward_sat + 1), index, root.participants, moved)
    # The sums of all are as they were; the hash is not.
    assert found[:3] == root[:3]
    assert found.hash != root.hash


def test_the_encoding_is_as_written_down() -> None:
    def entry(work: int, sat: int, digest: bytes) -> bytes:
        return work.to_bytes(32, "little") + sat.to_bytes(8, "little") + digest

    def hashed(*parts: bytes) -> bytes:
        return hashlib.sha256(b"".join(parts)).digest()

    names = [hashed(b"kench proof name 1\0", bytes([n]) * 32, b"N%d" % n) for n in range(3)]
    assert names[1] == digest_of_name(b"\1" * 32, "N1")
    leaves = [
        entry(
            n,
            n * 7,
            hashed(
                b"kench proof leaf 1\0", (n + 5).to_bytes(8, "little"),
                n.to_bytes(32, "little"), (n * 7).to_bytes(8, "little"), names[n],
            ),
        )
        for n in range(3)
    ]  # fmt: skip
    pair = entry(1, 7, hashed(b"kench proof node 1\0", leaves[0], leaves[1]))
    top = entry(3, 21, hashed(b"kench proof node 1\0", pair, leaves[2]))
    root = Tree(Leaf(n + 5, n, n * 7, names[n]) for n in range(3)).root()
    assert root.hash == hashed(b"kench proof root 1\0", (3).to_bytes(8, "little"), top)


@pytest.mark.parametrize("ids", [(2, 1), (1, 1)])
def test_participants_come_in_order_and_once(ids: tuple[int, ...]) -> None:
    with pytest.raises(TreeError, match="does not follow"):
        Tree(Leaf(one, 1, 1, DIGEST) for one in ids)


def test_there_is_no_tree_of_nobody() -> None:
    with pytest.raises(TreeError, match="at least one"):
        Tree([])


@pytest.mark.parametrize(
    ("work_hashes", "reward_sat"), [(-1, 0), (0, -1), (2**256, 0), (0, MONEY_MAX_SAT + 1)]
)
def test_no_number_is_negative_or_beyond_all(work_hashes: int, reward_sat: int) -> None:
    with pytest.raises(TreeError):
        Tree([Leaf(1, work_hashes, reward_sat, DIGEST)])
    with pytest.raises(TreeError):
        root_of(1, Entry(work_hashes, reward_sat, DIGEST))


@pytest.mark.parametrize("most", [(2**256 - 1, 0), (0, MONEY_MAX_SAT)])
def test_sums_that_run_over_are_refused(most: tuple[int, int]) -> None:
    with pytest.raises(TreeError):
        Tree([Leaf(1, *most, DIGEST), Leaf(2, 1, 1, DIGEST)]).root()
    with pytest.raises(ProofRefusedError, match="leads to no tree"):
        climb(Leaf(1, *most, DIGEST), 0, 2, [Entry(1, 1, DIGEST)])


@pytest.mark.parametrize(
    ("path", "words"), [(0, "ends below the root"), (2, "goes on above the root")]
)
def test_a_path_is_as_long_as_the_tree_is_high(path: int, words: str) -> None:
    with pytest.raises(ProofRefusedError, match=words):
        climb(Leaf(1, 1, 1, DIGEST), 0, 2, [Entry(0, 0, DIGEST)] * path)


def test_who_is_not_in_the_tree_has_no_index() -> None:
    tree = tree_of({3: (1, 1), 9: (1, 1)})
    assert [tree.index_of(who) for who in (0, 3, 4, 9, 10)] == [None, 0, None, 1, None]

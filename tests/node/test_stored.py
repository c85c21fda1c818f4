"""The block files are read back whole, however they end; half-built chains are cleared away."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.node.generations import Generations
from kench.node.stored import stored_blocks

MAGIC = bytes.fromhex("fabfb5da")
block = st.binary(min_size=80, max_size=200)


def _masked(data: bytes, key: bytes) -> bytes:
    return bytes(one ^ key[i % len(key)] for i, one in enumerate(data))


def _framed(blocks: list[bytes]) -> bytes:
    return b"".join(MAGIC + len(one).to_bytes(4, "little") + one for one in blocks)


@given(
    st.lists(st.lists(block, max_size=4), min_size=1, max_size=3),
    st.binary(min_size=8, max_size=8),
    st.data(),
)
def test_all_blocks_come_back_in_order_and_a_torn_end_is_left_out(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[list[bytes]],
    key: bytes,
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("blocks")
    (folder / "xor.dat").write_bytes(key)
    for i, blocks in enumerate(files):
        torn = _framed([data.draw(block)])[: data.draw(st.integers(0, 87))]
        rest = data.draw(st.sampled_from([b"", bytes(500), torn]))
        whole = _masked(_framed(blocks) + rest, key)
        (folder / f"blk{i:05d}.dat").write_bytes(whole)
    assert list(stored_blocks(folder)) == [one for blocks in files for one in blocks]


def test_files_without_a_mask_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "blk00000.dat").write_bytes(_framed([bytes(80)]) + bytes(100))
    assert list(stored_blocks(tmp_path)) == [bytes(80)]


def test_the_highest_whole_generation_counts_and_the_rest_is_removed(tmp_path: Path) -> None:
    for name in ("000003", "000004", "000005.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    generations = Generations(tmp_path)
    assert generations.current == tmp_path / "000004"
    assert [one.name for one in tmp_path.iterdir()] == ["000004"]


def test_a_new_folder_starts_with_the_first_generation(tmp_path: Path) -> None:
    generations = Generations(tmp_path / "chain")
    assert generations.current.name == "000001"
    assert generations.invalidated() == {}

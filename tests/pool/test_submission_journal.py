import json
from pathlib import Path

import pytest

from kench.pool.submission_journal import (
    BlockJournal,
    BlockJournalError,
    FoundBlock,
    adopt_unsettled,
)


def _block(height: int = 7, block_hash: str = "ab" * 32) -> FoundBlock:
    return FoundBlock(block_hash, height, b"00ff", 1_700_000_000_000_000, {"worker": "1.rig"})


def test_a_written_block_comes_back_whole(tmp_path: Path) -> None:
    BlockJournal(tmp_path).write(_block())
    assert BlockJournal(tmp_path).unsettled(10) == [_block()]


def test_the_file_names_height_and_hash_and_no_unfinished_file_stays(tmp_path: Path) -> None:
    BlockJournal(tmp_path).write(_block())
    assert [path.name for path in tmp_path.iterdir()] == [f"00000007-{'ab' * 32}.json"]


def test_outcomes_are_lines_beside_the_block(tmp_path: Path) -> None:
    journal = BlockJournal(tmp_path)
    journal.write(_block())
    journal.append(_block(), {"node": "a", "outcome": "accepted"})
    journal.append(_block(), {"node": "b", "outcome": "duplicate"})
    lines = (tmp_path / f"{_block().stem}.open").read_text().splitlines()
    assert [json.loads(line)["outcome"] for line in lines] == ["accepted", "duplicate"]


def test_a_settled_block_is_not_taken_up_again(tmp_path: Path) -> None:
    journal = BlockJournal(tmp_path)
    journal.write(_block())
    journal.append(_block(), {"outcome": "confirmed"})
    journal.settle(_block())
    assert journal.unsettled(10) == []


def test_a_late_outcome_joins_the_settled_file(tmp_path: Path) -> None:
    journal = BlockJournal(tmp_path)
    journal.write(_block())
    journal.append(_block(), {"outcome": "confirmed"})
    journal.settle(_block())
    journal.append(_block(), {"outcome": "duplicate"})
    assert len((tmp_path / f"{_block().stem}.settled").read_text().splitlines()) == 2
    assert not (tmp_path / f"{_block().stem}.open").exists()


def test_the_highest_unsettled_blocks_are_taken_up_lowest_first(tmp_path: Path) -> None:
    journal = BlockJournal(tmp_path)
    for height in (3, 11, 2, 5):
        journal.write(_block(height))
    assert [block.height for block in journal.unsettled(3)] == [3, 5, 11]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"hash": "ab"}'])
def test_a_broken_file_does_not_hide_the_others(tmp_path: Path, content: str) -> None:
    journal = BlockJournal(tmp_path)
    journal.write(_block())
    (tmp_path / f"00000009-{'cd' * 32}.json").write_text(content)
    assert journal.unsettled(10) == [_block()]


def test_a_folder_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(BlockJournalError, match="KENCH_DATA"):
        BlockJournal(tmp_path / "taken" / "blocks")


def test_a_folder_that_went_away_is_a_fault(tmp_path: Path) -> None:
    journal = BlockJournal(tmp_path / "blocks")
    (tmp_path / "blocks").rmdir()
    for call in (
        lambda: journal.write(_block()),
        lambda: journal.append(_block(), {}),
        lambda: journal.settle(_block()),
    ):
        with pytest.raises(BlockJournalError, match="KENCH_DATA"):
            call()


def test_blocks_of_fronts_that_are_no_more_are_adopted_and_followed(tmp_path: Path) -> None:
    flat, gone, other = BlockJournal(tmp_path), tmp_path / "5", tmp_path / "1"
    flat.write(_block(1))
    BlockJournal(gone).write(_block(2))
    BlockJournal(gone).append(_block(2), {"outcome": "accepted"})
    BlockJournal(gone).write(_block(3))
    BlockJournal(gone).append(_block(3), {"outcome": "confirmed"})
    BlockJournal(gone).settle(_block(3))
    BlockJournal(other).write(_block(4))
    own = tmp_path / "0"
    assert adopt_unsettled(tmp_path, own, {other}) == 2
    assert [block.height for block in BlockJournal(own).unsettled(9)] == [1, 2]
    assert (own / f"{_block(2).stem}.open").exists()
    assert BlockJournal(gone).unsettled(9) == []
    assert [block.height for block in BlockJournal(other).unsettled(9)] == [4]
    assert adopt_unsettled(tmp_path, own, {other}) == 0

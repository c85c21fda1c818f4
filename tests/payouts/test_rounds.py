"""A block pays its round: what the journal holds since the block before, up to itself."""

from pathlib import Path

import pytest

from kench.payouts.rounds import NOBODY
from kench.payouts.totals import Total
from kench.pool.work import work_of
from tests.payouts.folding import Folding
from tests.payouts.journals import EASY, JournalBuilder, merged_of

WORK = work_of(EASY)


@pytest.fixture
def journal(tmp_path: Path) -> JournalBuilder:
    return JournalBuilder(tmp_path / "journal")


def folded(journal: JournalBuilder, cut: int | None = None) -> tuple[list, dict[int, int]]:  # type: ignore[type-arg]
    """Blocks and open round, folded in one go or in two."""
    folding, records = Folding(journal.job_of), journal.array()
    for part in [records] if cut is None else [records[:cut], records[cut:]]:
        if len(part):
            folding.take(merged_of(part))
    return folding.blocks, folding.round


def test_a_block_pays_the_work_since_the_block_before_including_its_own_share(
    journal: JournalBuilder,
) -> None:
    job = journal.job(1, 101)
    journal.share(job, participant=1)
    journal.share(job, participant=2)
    first = journal.share(job, participant=1, block=True)
    journal.share(job, participant=3)
    second = journal.share(job, participant=2, block=True)
    journal.share(job, participant=9)
    blocks, open_round = folded(journal)
    assert [block.hash for block in blocks] == [job.block_hash(first), job.block_hash(second)]
    assert [block.work_hashes for block in blocks] == [
        {1: 2 * WORK, 2: WORK},
        {3: WORK, 2: WORK},
    ]
    assert blocks[0].amounts_sat == {1: 3_333_333_333, 2: 1_666_666_667}
    assert open_round == {9: WORK}


def test_where_the_journal_is_cut_into_chunks_does_not_matter(journal: JournalBuilder) -> None:
    job = journal.job(1, 101)
    for index in range(40):
        journal.share(job, participant=1 + index % 3, block=index % 7 == 0, uncredited=index == 14)
    whole = folded(journal)
    assert len(whole[0]) == 6
    for cut in range(41):
        assert folded(journal, cut) == whole


def test_a_refused_candidate_closes_no_round_but_has_the_credits_of_the_one_it_fell_into(
    journal: JournalBuilder,
) -> None:
    job = journal.job(1, 101)
    journal.share(job, participant=1)
    journal.share(job, participant=2, block=True, uncredited=True)
    journal.share(job, participant=3, block=True)
    blocks, open_round = folded(journal)
    assert [(block.credited, block.work_hashes) for block in blocks] == [
        (False, {1: WORK}),
        (True, {1: WORK, 3: WORK}),
    ]
    assert open_round == {}


def test_a_refused_candidate_in_an_empty_round_is_its_finders(journal: JournalBuilder) -> None:
    job = journal.job(1, 101)
    journal.share(job, participant=4, block=True, uncredited=True)
    journal.share(job, participant=NOBODY, worker=0, block=True, uncredited=True)
    blocks, _ = folded(journal)
    assert [block.amounts_sat for block in blocks] == [{4: 5_000_000_000}, {NOBODY: 5_000_000_000}]


def test_a_repeat_of_a_found_block_is_no_second_block_and_closes_no_round(
    journal: JournalBuilder,
) -> None:
    job = journal.job(1, 101)
    winner = journal.share(job, participant=1, block=True)
    journal.share(job, participant=2)
    for flags in (1 | 2, 1):
        repeat = winner.copy()
        repeat["flags"] = flags
        journal.append(repeat)
    blocks, open_round = folded(journal)
    assert len(blocks) == 1
    # The second repeat was credited, by whatever mistake: the round carries on with it.
    assert open_round == {2: WORK, 1: WORK}
    assert folded(journal, 2) == (blocks, open_round)


def test_a_block_without_reward_pays_nobody_and_closes_its_round(journal: JournalBuilder) -> None:
    job = journal.job(1, 101, reward_sat=0)
    journal.share(job, participant=1, block=True)
    blocks, open_round = folded(journal)
    assert blocks[0].amounts_sat == {1: 0}
    assert open_round == {}


def test_totals_do_not_count_what_was_refused(journal: JournalBuilder) -> None:
    job = journal.job(1, 101)
    journal.share(job, participant=1, worker=7)
    journal.share(job, participant=1, worker=7, block=True, uncredited=True)
    assert Folding(journal.job_of).take(journal.merged()).totals == {(1, 7): Total(1, WORK)}

"""Rewards follow their blocks: posted when deep, voided when orphaned, pended on return."""

import random

import pytest
import sqlalchemy as sa

from kench.payouts import ledger, tables
from kench.payouts.follow import (
    REST_MATURITIES,
    UNKNOWN_DEPTH,
    Action,
    ChainWatch,
    Followed,
    act,
    decide,
    read_followed,
)
from kench.payouts.transfers import BlockState
from kench.pool.nodes.facts import NoUsableNodeError
from tests.payouts.books import add_block, balances, ledger_check
from tests.payouts.chains import ScriptedChain

MATURITY = 100
PENDING, MATURE, ORPHANED = BlockState.PENDING, BlockState.MATURE, BlockState.ORPHANED
REST_AT = MATURITY * REST_MATURITIES


@pytest.mark.parametrize(
    ("state", "attempts", "alarm", "confirmations", "depth", "expected"),
    [
        # On the best chain.
        (PENDING, 1, False, 1, 0, Action.NONE),
        (PENDING, 1, False, MATURITY - 1, MATURITY - 2, Action.NONE),
        (PENDING, 1, False, MATURITY, MATURITY - 1, Action.POST),
        (PENDING, 0, False, 1, 0, Action.PEND),
        (PENDING, 0, False, MATURITY, MATURITY - 1, Action.PEND),
        (ORPHANED, 1, False, 1, 0, Action.PEND),
        (ORPHANED, 0, False, MATURITY, MATURITY - 1, Action.PEND),
        (MATURE, 1, False, MATURITY, MATURITY - 1, Action.NONE),
        (MATURE, 1, False, REST_AT, REST_AT - 1, Action.REST),
        (MATURE, 1, True, MATURITY, MATURITY - 1, Action.CALM),
        (MATURE, 1, True, REST_AT, REST_AT - 1, Action.CALM),
        # Off the best chain.
        (PENDING, 1, False, -1, 0, Action.VOID),
        (PENDING, 1, False, -1, 98, Action.VOID),
        (PENDING, 0, False, -1, 0, Action.VOID),
        (ORPHANED, 1, False, -1, MATURITY - 1, Action.NONE),
        (ORPHANED, 1, False, -1, MATURITY, Action.REST),
        (MATURE, 1, False, -1, 150, Action.ALARM),
        (MATURE, 1, True, -1, 150, Action.NONE),
        # Known to no node.
        (PENDING, 1, False, None, -1, Action.NONE),
        (PENDING, 1, False, None, UNKNOWN_DEPTH - 1, Action.NONE),
        (PENDING, 1, False, None, UNKNOWN_DEPTH, Action.VOID),
        (PENDING, 0, False, None, UNKNOWN_DEPTH, Action.VOID),
        (ORPHANED, 1, False, None, MATURITY, Action.REST),
        (MATURE, 1, False, None, -50, Action.NONE),  # the node is still catching up
        (MATURE, 1, False, None, UNKNOWN_DEPTH, Action.ALARM),
    ],
)
def test_what_is_done_follows_from_state_and_confirmations(  # noqa: PLR0917 - a table's columns
    state: BlockState,
    attempts: int,
    alarm: bool,
    confirmations: int | None,
    depth: int,
    expected: Action,
) -> None:
    block = Followed("ab" * 32, 1000, state, attempts, alarm)
    assert decide(block, confirmations, 1000 + depth, MATURITY) is expected


class Pool:
    """A chain, the books and the watch between them."""

    def __init__(self, engine: sa.Engine, maturity_confirmations: int = MATURITY) -> None:
        self.engine = engine
        self.chain = ScriptedChain()
        self.watch = ChainWatch(self.chain, maturity_confirmations)
        self.found = 0

    def find(self, *, credited: bool = True, on_chain: bool = True) -> str:
        """Find a block of 10 satoshi at the next height."""
        self.found += 1
        block_hash = f"{self.found:064x}"
        with self.engine.begin() as connection:
            add_block(
                connection,
                block_hash,
                {1: 7, 2: 3},
                height=len(self.chain.best),
                sequence=self.found,
                credited=credited,
            )
            if credited:
                ledger.pend(connection, block_hash, 1)
        if on_chain:
            self.chain.mine(hashes=[block_hash])
        return block_hash

    def follow(self) -> list[Action]:
        """Look and act until nothing is left to do under this tip."""
        actions: list[Action] = []
        with self.engine.connect() as connection:
            for _ in range(10):
                with connection.begin():
                    blocks = read_followed(connection)
                findings = self.watch.look(blocks)
                if not findings:
                    return actions
                act(connection, findings)
                actions += [finding.action for finding in findings]
        raise AssertionError("there is always something left to do")

    def state(self, block_hash: str) -> tuple[str, int, bool, bool]:
        columns = tables.blocks.c
        with self.engine.connect() as connection:
            return tuple(
                connection.execute(
                    sa.select(
                        columns.state, columns.attempts, columns.followed, columns.alarm
                    ).where(columns.hash == block_hash)
                ).one()
            )

    def balances(self) -> dict[int, tuple[int, int]]:
        with self.engine.connect() as connection:
            assert ledger_check(connection)[0]
            return balances(connection)


@pytest.fixture
def pool(engine: sa.Engine) -> Pool:
    return Pool(engine)


def test_a_block_is_posted_at_a_hundred_confirmations_and_not_before(pool: Pool) -> None:
    block_hash = pool.find()
    for _ in range(MATURITY - 1):
        assert pool.follow() == []
        pool.chain.mine()
    assert pool.follow() == [Action.POST]
    assert pool.balances() == {1: (0, 7), 2: (0, 3)}
    assert pool.state(block_hash) == ("mature", 1, True, False)
    pool.chain.mine(MATURITY)
    assert pool.follow() == [Action.REST]
    assert pool.state(block_hash) == ("mature", 1, False, False)


def test_a_reorganisation_of_any_depth_voids_and_its_reversal_pends_again(
    engine: sa.Engine,
) -> None:
    pool = Pool(engine)
    block_hash = pool.find()
    for depth in range(1, MATURITY):
        attempts = depth
        assert pool.state(block_hash) == ("pending", attempts, True, False)
        fallen = pool.chain.reorganise(depth, salt=str(depth))
        assert fallen[0] == block_hash
        assert pool.follow() == [Action.VOID]
        assert pool.balances() == {1: (0, 0), 2: (0, 0)}
        assert pool.state(block_hash) == ("orphaned", attempts, True, False)
        # Back, and one block deeper than before.
        del pool.chain.best[pool.chain.heights[block_hash] :]
        pool.chain.mine(hashes=fallen)
        pool.chain.mine()
        expected = [Action.PEND] + [Action.POST] * (depth == MATURITY - 1)
        assert pool.follow() == expected
    assert pool.state(block_hash) == ("mature", MATURITY, True, False)
    assert pool.balances() == {1: (0, 7), 2: (0, 3)}


def test_a_block_that_stays_orphaned_is_let_go_when_buried(pool: Pool) -> None:
    block_hash = pool.find()
    pool.chain.reorganise(1)
    assert pool.follow() == [Action.VOID]
    pool.chain.mine(MATURITY - 2)
    assert pool.follow() == []
    pool.chain.mine()
    assert pool.follow() == [Action.REST]
    assert pool.state(block_hash) == ("orphaned", 1, False, False)


def test_a_posted_block_that_leaves_the_chain_raises_an_alarm_and_moves_no_money(
    pool: Pool,
) -> None:
    block_hash = pool.find()
    pool.chain.mine(MATURITY - 1)
    assert pool.follow() == [Action.POST]
    fallen = pool.chain.reorganise(MATURITY)
    assert pool.follow() == [Action.ALARM]
    assert pool.follow() == []
    assert pool.state(block_hash) == ("mature", 1, True, True)
    assert pool.balances() == {1: (0, 7), 2: (0, 3)}
    pool.chain.bring_back(fallen)
    assert pool.follow() == [Action.CALM]
    assert pool.state(block_hash) == ("mature", 1, True, False)


def test_a_refused_candidate_pays_only_if_its_block_stands(pool: Pool) -> None:
    lost = pool.find(credited=False, on_chain=False)
    standing = pool.find(credited=False)
    assert pool.follow() == [Action.PEND]
    assert pool.state(standing) == ("pending", 1, True, False)
    assert pool.balances() == {1: (7, 0), 2: (3, 0)}
    pool.chain.mine(UNKNOWN_DEPTH)
    assert pool.follow() == [Action.VOID]
    assert pool.state(lost) == ("orphaned", 0, True, False)
    assert pool.balances() == {1: (7, 0), 2: (3, 0)}


def test_a_block_that_no_node_takes_is_given_up_and_taken_back_up_if_one_does(pool: Pool) -> None:
    block_hash = pool.find(on_chain=False)
    height = len(pool.chain.best)
    pool.chain.mine(UNKNOWN_DEPTH)
    assert pool.follow() == []
    pool.chain.mine()
    assert pool.follow() == [Action.VOID]
    del pool.chain.best[height:]
    pool.chain.mine(hashes=[block_hash])
    pool.chain.mine(20)
    assert pool.follow() == [Action.PEND]


def test_an_unreachable_chain_changes_nothing_and_is_asked_anew(pool: Pool) -> None:
    pool.find()
    pool.follow()
    pool.chain.reorganise(1)
    pool.chain.away = True
    with pytest.raises(NoUsableNodeError):
        pool.follow()
    pool.chain.away = False
    assert pool.follow() == [Action.VOID]


def test_an_extended_chain_is_asked_about_the_old_tip_only(pool: Pool) -> None:
    for _ in range(30):
        pool.find()
    pool.follow()
    before = pool.chain.questions
    for _ in range(20):
        pool.chain.mine()
        assert pool.follow() == []
    assert pool.chain.questions - before == 20
    pool.follow()
    assert pool.chain.questions - before == 20


def live_a_step(pool: Pool, chance: random.Random, branches: list[list[str]]) -> None:
    """Find a block, mine another's, reorganise, or bring a fallen branch back."""
    match chance.randrange(7):
        case 0 | 1:
            pool.find(credited=chance.random() < 0.8)
        case 2:
            pool.find(credited=chance.random() < 0.5, on_chain=chance.random() < 0.5)
        case 3 | 4:
            pool.chain.mine(salt=str(chance.random()))
        case 5 if len(pool.chain.best) > 6:
            depth, salt = chance.randint(1, 5), str(chance.random())
            branches.append(pool.chain.reorganise(depth, salt=salt))
        case 6 if branches:
            branch = branches.pop()
            # No deeper than maturity, else an alarm is right.
            if 0 <= len(pool.chain.best) - pool.chain.heights[branch[0]] <= 5:
                pool.chain.bring_back(branch)


@pytest.mark.parametrize("seed", range(4))
def test_after_any_history_books_say_what_the_chain_says(engine: sa.Engine, seed: int) -> None:
    """Random lives with maturity 6; then each block is judged."""
    chance = random.Random(seed)
    pool = Pool(engine, maturity_confirmations=6)
    branches: list[list[str]] = []
    for _ in range(150):
        live_a_step(pool, chance, branches)
        if chance.random() < 0.7:
            pool.follow()
    pool.follow()
    due = 0
    for number in range(1, pool.found + 1):
        block_hash = f"{number:064x}"
        confirmations = pool.chain.header(block_hash).confirmations
        state, attempts, _, alarm = pool.state(block_hash)
        assert not alarm
        if confirmations is None:
            assert state in {"pending", "orphaned"}
        elif confirmations < 0:
            assert state == "orphaned"
        else:
            assert state == ("mature" if confirmations >= 6 else "pending")
            assert attempts >= 1
        due += 10 * (state != "orphaned" and attempts > 0)
    assert sum(pending + mature for pending, mature in pool.balances().values()) == due
    assert due > 0

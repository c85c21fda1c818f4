"""Deposits read from a chain: credited once when deep enough, over reorganisations and restarts."""

from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kench.pool.clock import ManualClock
from kench.venue.deposits import COINBASE_MATURITY, DepositWatch, Rules
from kench.venue.exchange import DepositState, Exchange, Terms
from kench.venue.market import SetMarket

SCRIPT = b"\x00\x20" + bytes(32)
OTHER = "0014" + "11" * 20


class Chain:
    """A chain in memory, asked as a node is."""

    def __init__(self) -> None:
        self.blocks: list[dict[str, Any]] = []
        self._serial = 0
        self.calls = 0
        self.mine(OTHER)

    def mine(self, script_hex: str, value: str = "50", *, coinbase: bool = True) -> str:
        self._serial += 1
        entry = {"coinbase": "00"} if coinbase else {"txid": "cc" * 32}
        txid = f"{self._serial:064x}"
        block = {
            "hash": f"{self._serial + 2**128:064x}",
            "tx": [{
                "txid": txid,
                "vin": [entry],
                "vout": [
                    {"n": 0, "value": Decimal(0), "scriptPubKey": {"hex": script_hex}},
                    {"n": 1, "value": Decimal(value), "scriptPubKey": {"hex": script_hex}},
                ],
            }],
        }  # fmt: skip
        if self.blocks:
            block["previousblockhash"] = self.blocks[-1]["hash"]
        self.blocks.append(block)
        return txid

    def call(self, method: str, *params: Any) -> Any:
        self.calls += 1
        if method == "getblockcount":
            return len(self.blocks) - 1
        if method == "getblockhash":
            return self.blocks[params[0]]["hash"]
        assert method == "getblock"
        return next(block for block in self.blocks if block["hash"] == params[0])


class Rig:
    def __init__(self, folder: Path, confirmations: int = 1) -> None:
        self.chain = Chain()
        self.exchange = Exchange(ManualClock(), SetMarket(), Terms(), lambda _event: None)
        self.rules = Rules(SCRIPT, confirmations)
        self.place = folder / "read.json"
        self.place.unlink(missing_ok=True)
        self.watch = self.again()

    def again(self) -> DepositWatch:
        return DepositWatch(self.exchange, Lock(), self.rules, self.place)

    def look(self) -> None:
        while self.watch.look(self.chain):
            pass

    def states(self) -> dict[str, DepositState]:
        return {one.txid: one.state for one in self.exchange.deposits.values()}


def test_a_coinbase_needs_a_hundred_confirmations_whatever_is_set(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    txid = rig.chain.mine(SCRIPT.hex())
    for _ in range(COINBASE_MATURITY - 2):
        rig.chain.mine(OTHER)
    rig.look()
    assert rig.states() == {txid: DepositState.SEEN}
    rig.chain.mine(OTHER)
    rig.look()
    assert rig.states() == {txid: DepositState.CREDITED}
    assert rig.exchange.free_sat == 50 * 10**8


def test_other_transactions_need_what_is_set(tmp_path: Path) -> None:
    rig = Rig(tmp_path, confirmations=2)
    txid = rig.chain.mine(SCRIPT.hex(), "0.00000001", coinbase=False)
    rig.look()
    assert rig.states() == {txid: DepositState.SEEN}
    rig.chain.mine(OTHER)
    rig.look()
    assert rig.exchange.free_sat == 1


def test_outputs_of_nothing_and_of_others_are_no_deposits(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.chain.mine(OTHER)
    rig.chain.mine(SCRIPT.hex(), "0")
    rig.look()
    assert rig.states() == {}


def test_a_restart_reads_on_where_it_was_and_a_lost_place_changes_nothing(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.chain.mine(SCRIPT.hex(), coinbase=False)
    for _ in range(50):
        rig.chain.mine(OTHER)
    rig.look()
    before = rig.exchange.free_sat
    rig.watch, rig.chain.calls = rig.again(), 0
    rig.look()
    assert rig.chain.calls == 2
    rig.place.write_text("[[")
    rig.watch = rig.again()
    rig.look()
    assert rig.exchange.free_sat == before
    assert len(rig.exchange.deposits) == 1


def test_an_orphans_deposit_is_not_credited_though_the_place_was_lost(tmp_path: Path) -> None:
    rig = Rig(tmp_path, confirmations=3)
    rig.chain.mine(SCRIPT.hex(), coinbase=False)
    rig.look()
    # Killed before the place was kept, and the chain went another way.
    orphan = rig.chain.blocks.pop()
    rig.place.unlink()
    moved = rig.chain.mine(SCRIPT.hex(), coinbase=False)
    for _ in range(5):
        rig.chain.mine(OTHER)
    rig.watch = rig.again()
    rig.look()
    assert rig.states() == {
        orphan["tx"][0]["txid"]: DepositState.REJECTED, moved: DepositState.CREDITED,
    }  # fmt: skip
    assert rig.exchange.free_sat == 50 * 10**8


def test_a_transaction_that_moved_to_another_block_is_credited_by_that_one(tmp_path: Path) -> None:
    rig = Rig(tmp_path, confirmations=3)
    txid = rig.chain.mine(SCRIPT.hex(), coinbase=False)
    rig.look()
    orphan = rig.chain.blocks.pop()
    rig.place.unlink()
    rig.chain.mine(OTHER)
    rig.chain.mine(OTHER)
    rig.chain.blocks[-1]["tx"] = orphan["tx"]
    rig.watch = rig.again()
    rig.chain.mine(OTHER)
    rig.look()
    assert rig.states() == {txid: DepositState.SEEN}
    rig.chain.mine(OTHER)
    rig.look()
    assert rig.states() == {txid: DepositState.CREDITED}


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 6), st.lists(st.booleans(), max_size=8)), max_size=8))
def test_over_any_reorganisations_the_uncredited_are_those_of_the_best_chain(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[int, list[bool]]]
) -> None:
    rig = Rig(tmp_path_factory.mktemp("deposits"), confirmations=7)
    for back, blocks in turns:
        del rig.chain.blocks[max(1, len(rig.chain.blocks) - back) :]
        for pays in blocks:
            rig.chain.mine(SCRIPT.hex() if pays else OTHER, coinbase=False)
        credited = {one.txid for one in rig.exchange.deposits.values() if one.credited_us}
        rig.look()
        tip = len(rig.chain.blocks) - 1
        paid = {
            block["tx"][0]["txid"]: height
            for height, block in enumerate(rig.chain.blocks)
            if block["tx"][0]["vout"][1]["scriptPubKey"]["hex"] == SCRIPT.hex()
        }
        states = rig.states()
        for txid, height in paid.items():
            deep = tip - height + 1 >= 7 or txid in credited
            assert states[txid] is (DepositState.CREDITED if deep else DepositState.SEEN)
        for txid in states.keys() - paid.keys():
            gone = DepositState.CREDITED if txid in credited else DepositState.REJECTED
            assert states[txid] is gone

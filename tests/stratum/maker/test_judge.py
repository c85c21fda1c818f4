"""One judge over the guards of several fronts: the same room as at one front, bans for all."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.stratum.costs import Address
from kench.stratum.elsewhere import LED_S
from kench.stratum.faults import Fault
from kench.stratum.feed import FeedBrokenError, Kind
from kench.stratum.guard import Guard, Measure
from kench.stratum.maker import judge as judge_module
from kench.stratum.maker.judge import ASK_S, SILENT_S, Judge
from tests.support.stratum_client import COSTS

PEER = "192.0.2.1"
FAULT = Fault.WRONG_SHARE  # costs one
HARD = round(COSTS.address_hard)
MORE = HARD + 50  # costs fade while the fronts are asked


class Fronts:
    """Guards of so many fronts and their judge, with what they say delivered at once."""

    def __init__(self, count: int) -> None:
        self.now = 1000.0
        self.guards = [Guard(COSTS) for _ in range(count)]
        self.said: list[tuple[int, Kind]] = []
        self.judge = Judge(COSTS, count, self.say)
        self.deaf: set[int] = set()
        for number in range(count):
            self.judge.front_came(number, self.now)

    def say(self, number: int, kind: Kind, body: bytes) -> bool:
        self.said.append((number, kind))
        content = json.loads(body)
        if number in self.deaf:
            return True
        guard = self.guards[number]
        if kind is Kind.BANS:
            guard.take_bans(content, self.now)
        else:
            answer = json.loads(json.dumps(guard.answer(content, self.now)))
            self.judge.take(number, answer, self.now)
        return True

    def pass_time(self, seconds: float = 2 * ASK_S) -> None:
        """Let time pass, with a question whenever it is due."""
        end = self.now + seconds
        while self.now < end:
            self.now += ASK_S
            self.judge.tick(self.now)

    def address(self, number: int, peer: str = PEER) -> Address:
        address = self.guards[number].arrive(peer, self.now)
        assert address is not None
        return address

    def charge(self, number: int, count: int, peer: str = PEER) -> None:
        guard = self.guards[number]
        address = guard._addresses.get(peer) or self.address(number, peer)
        guard.faults[FAULT] += count
        guard._charge_address(address, FAULT.amount * count, self.now)

    def authorise(self, number: int, count: int, peer: str = PEER) -> None:
        for _ in range(count):
            self.address(number, peer).enter(self.now)

    def banned(self, peer: str = PEER) -> set[int]:
        return {
            number
            for number, guard in enumerate(self.guards)
            if guard.arrive(peer, self.now) is None
        }

    @property
    def bans(self) -> int:
        """Bans as the state of the whole counts them."""
        here = sum(guard.measures[Measure.BANNED] for guard in self.guards)
        counted = self.judge.counted({"measures": {"banned": here}}, self.now)
        count: int = counted["measures"]["banned"]
        return count


@pytest.mark.parametrize("count", [2, 3, 8])
def test_an_address_that_spreads_its_faults_has_the_room_of_one_front(count: int) -> None:
    fronts = Fronts(count)
    for number in range(count):
        fronts.charge(number, HARD // count - 20)
    fronts.pass_time()
    assert not fronts.banned()
    for number in range(count):
        fronts.charge(number, 70)
    fronts.pass_time()
    assert fronts.banned() == set(range(count))
    assert fronts.bans == 1


def test_faults_at_one_front_ban_the_address_at_all_until_the_ban_ends() -> None:
    fronts = Fronts(2)
    fronts.charge(0, MORE)
    fronts.pass_time()
    assert fronts.banned() == {0, 1}
    assert fronts.judge.counted({}, fronts.now)["banned"] == 1
    fronts.pass_time(COSTS.ban_s)
    assert not fronts.banned()
    assert fronts.judge.counted({}, fronts.now)["banned"] == 0


def test_a_ban_is_not_repeated_without_a_new_fault_and_then_is_twice_as_long() -> None:
    fronts = Fronts(2)
    fronts.charge(0, 10 * HARD)
    fronts.pass_time(COSTS.ban_s + 10 * ASK_S)
    assert not fronts.banned()
    fronts.charge(1, 10)
    fronts.pass_time(COSTS.ban_s + 2 * ASK_S)
    assert fronts.banned() == {0, 1}
    fronts.pass_time(COSTS.ban_s)
    assert not fronts.banned()
    assert fronts.bans == 2


def test_a_farm_split_over_fronts_keeps_the_limits_of_all_its_sessions() -> None:
    fronts = Fronts(2)
    fronts.authorise(1, 1600)  # a hundred times the limits, at the front that it does no wrong
    fronts.charge(0, 10 * HARD)
    fronts.pass_time(10.0)
    assert not fronts.banned()
    assert fronts.guards[0].entry_pause_s(fronts.address(0), fronts.now) == 0.0
    fronts.charge(0, 80 * HARD)
    fronts.pass_time()
    assert not fronts.banned()
    fronts.charge(0, 30 * HARD)
    fronts.pass_time()
    assert fronts.banned() == {0, 1}


def test_shares_accepted_at_one_front_pay_for_faults_at_another() -> None:
    fronts = Fronts(2)
    at_work = fronts.address(1)
    for _ in range(20):
        fronts.charge(0, HARD // 4)
        fronts.pass_time()
        fronts.guards[1].forgive(at_work, HARD // 4, fronts.now)
        fronts.pass_time()
    assert not fronts.banned()
    # Nothing is paid ahead: that was as much as there was to forgive.
    fronts.guards[1].forgive(at_work, 100 * HARD, fronts.now)
    fronts.charge(1, MORE)
    fronts.pass_time()
    assert fronts.banned() == {0, 1}


def test_new_connections_wait_for_what_their_address_did_at_other_fronts() -> None:
    fronts = Fronts(2)
    fronts.charge(0, round(COSTS.address_soft) - 50)
    fronts.charge(1, round(COSTS.address_soft) - 50)
    assert fronts.guards[0].entry_pause_s(fronts.address(0), fronts.now) == 0.0
    fronts.pass_time()
    for number in (0, 1):
        guard = fronts.guards[number]
        assert guard.entry_pause_s(fronts.address(number), fronts.now) > 0.0


Charge = tuple[int, int, int]


@given(
    charges=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 900), st.integers(0, 900))),
    sessions=st.lists(st.integers(0, 40), min_size=3, max_size=3),
)
def test_who_is_not_banned_at_one_front_is_not_banned_at_three(
    charges: list[Charge], sessions: list[int]
) -> None:
    three, one = Fronts(3), Fronts(1)
    for number, count in enumerate(sessions):
        three.authorise(number, count)
        one.authorise(0, count)
    for number, count, accepted in charges:
        three.charge(number, count)
        one.charge(0, count + 1)  # rounding on the way
        three.pass_time()
        one.pass_time()
        if one.banned():
            return
        assert not three.banned()
        three.guards[number].forgive(three.guards[number]._addresses[PEER], accepted, three.now)
        one.guards[0].forgive(one.guards[0]._addresses[PEER], accepted, one.now)
        three.pass_time()
        one.pass_time()


def test_a_front_alone_bans_at_once_and_its_successor_hears_of_it() -> None:
    fronts = Fronts(1)
    fronts.charge(0, MORE)
    assert fronts.banned() == {0}
    fronts.pass_time()
    assert fronts.bans == 1
    assert fronts.judge.counted({}, fronts.now)["banned"] == 1
    fronts.judge.front_gone(0)
    fronts.guards[0] = Guard(COSTS)
    fronts.judge.front_came(0, fronts.now)
    assert fronts.banned() == {0}
    assert fronts.bans == 0  # counted by the one that is gone
    fronts.pass_time(COSTS.ban_s)
    assert not fronts.banned()


def test_a_front_that_comes_later_has_the_bans_that_run_and_is_led_at_once() -> None:
    fronts = Fronts(2)
    fronts.charge(0, MORE)
    fronts.pass_time()
    fronts.judge.front_gone(1)
    fronts.guards[1] = Guard(COSTS)
    fronts.judge.front_came(1, fronts.now)
    assert fronts.banned() == {0, 1}
    fronts.charge(1, 10 * HARD, "192.0.2.9")
    assert not fronts.banned("192.0.2.9")


def test_a_job_maker_that_begins_anew_learns_the_bans_from_the_fronts() -> None:
    fronts = Fronts(2)
    fronts.charge(0, MORE)
    fronts.pass_time()
    fronts.judge = Judge(COSTS, 2, fronts.say)
    for number, guard in enumerate(fronts.guards):
        guard.tell_bans_anew(fronts.now)
        fronts.judge.front_came(number, fronts.now)
    fronts.said.clear()
    fronts.guards.append(Guard(COSTS))
    fronts.judge.front_came(2, fronts.now)
    assert fronts.banned() == {0, 1, 2}
    fronts.pass_time(5.0)
    assert fronts.said.count((0, Kind.BANS)) == 0
    assert fronts.bans == 0  # it was counted by the one before


def test_while_two_generations_serve_they_are_judged_together() -> None:
    fronts = Fronts(1)
    fronts.guards.append(Guard(COSTS))
    fronts.judge.front_came(1, fronts.now)
    fronts.pass_time()
    fronts.charge(0, MORE // 2)
    fronts.charge(1, MORE // 2)
    fronts.pass_time()
    assert fronts.banned() == {0, 1}
    fronts.judge.front_gone(0)
    fronts.pass_time()
    fronts.charge(1, MORE, "192.0.2.3")
    assert 1 in fronts.banned("192.0.2.3")


def test_no_ban_before_every_front_has_spoken_unless_it_is_silent() -> None:
    fronts = Fronts(3)
    fronts.deaf = {2}
    fronts.charge(0, HARD * 2)
    fronts.pass_time(SILENT_S - 1)
    assert not fronts.banned()
    fronts.pass_time(2)
    assert fronts.banned() >= {0, 1}


def test_a_front_that_is_gone_is_not_waited_for() -> None:
    fronts = Fronts(2)
    fronts.judge.front_gone(1)
    fronts.charge(0, MORE)
    fronts.pass_time()
    assert 0 in fronts.banned()


def test_fronts_judge_for_themselves_when_the_maker_is_silent_and_tell_it_later() -> None:
    fronts = Fronts(2)
    fronts.charge(0, HARD * 2)
    assert not fronts.banned()
    fronts.now += LED_S
    fronts.charge(0, 50)
    assert fronts.banned() == {0}
    fronts.pass_time()
    assert fronts.banned() == {0, 1}
    assert fronts.bans == 1


def test_small_costs_are_neither_told_nor_kept() -> None:
    fronts = Fronts(2)
    for number in range(200):
        fronts.charge(number % 2, round(COSTS.address_soft / 2) - 1, f"10.0.0.{number}")
    fronts.pass_time()
    assert not fronts.judge._known
    fronts.charge(0, 10, "10.0.0.0")
    fronts.pass_time()
    assert fronts.judge._known.keys() == {"10.0.0.0"}
    fronts.pass_time(600.0)
    assert not fronts.judge._known


@pytest.mark.parametrize("name", ["ADDRESSES_MAX", "ASKED_MAX", "BANS_MAX"])
def test_tables_and_messages_are_bounded(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(judge_module, name, 10)
    fronts = Fronts(2)
    for number in range(30):
        fronts.charge(0, 2 * MORE + number, f"10.0.0.{number}")
    fronts.pass_time(20.0)
    assert len(fronts.judge._known) <= (10 if name == "ADDRESSES_MAX" else 30)
    assert len(fronts.judge._bans) == (10 if name == "BANS_MAX" else 30)
    assert all(fronts.banned(f"10.0.0.{number}") == {0, 1} for number in range(30))


def test_an_ipv6_customer_is_banned_as_a_whole_at_every_front() -> None:
    fronts = Fronts(2)
    guard = fronts.guards[0]
    guard._charge_address(fronts.address(0, "2001:db8:0:1::1"), MORE, fronts.now)
    fronts.pass_time()
    assert fronts.banned("2001:db8:0:1:ffff::2") == {0, 1}
    assert not fronts.banned("2001:db8:0:2::1")


@pytest.mark.parametrize(
    "said",
    [{}, {"costs": []}, {"costs": [["a"]], "bans": []}, {"costs": [], "bans": [[1, "x", 1]]}],
)
def test_what_no_front_says_breaks_the_feed(said: dict[str, Any]) -> None:
    with pytest.raises(FeedBrokenError):
        Fronts(2).judge.take(0, said, 0.0)


@pytest.mark.parametrize(
    "told",
    [
        lambda guard: guard.answer({"costs": []}, 0.0),
        lambda guard: guard.answer({"fronts": 2}, 0.0),
        lambda guard: guard.answer({"fronts": 2, "costs": [[1, None, 2]]}, 0.0),
        lambda guard: guard.take_bans({"bans": [["192.0.2.1"]]}, 0.0),
        lambda guard: guard.take_bans({}, 0.0),
    ],
)
def test_what_no_maker_says_breaks_the_feed(told: Callable[[Guard], object]) -> None:
    with pytest.raises(FeedBrokenError):
        told(Guard(COSTS))

"""The guard slows at the soft limit, cuts or bans at the hard one, and lets farms alone."""

from ipaddress import ip_network

import pytest

from kench.stratum.costs import Address, SessionCost
from kench.stratum.faults import Fault
from kench.stratum.guard import ADDRESSES_MAX, Guard, Measure
from tests.support.stratum_client import COSTS

PEER = "192.0.2.1"


def guard(*exempt: str) -> Guard:
    return Guard(COSTS, [ip_network(one) for one in exempt])


def arrived(subject: Guard, peer: str = PEER, now: float = 0.0) -> Address:
    address = subject.arrive(peer, now)
    assert address is not None
    return address


def ban(subject: Guard, peer: str = PEER, now: float = 0.0) -> Address:
    address = arrived(subject, peer, now)
    count = COSTS.address_hard / Fault.BAD_JSON.amount
    subject.charge(address, SessionCost(), Fault.BAD_JSON, count, now)
    return address


@pytest.mark.parametrize("fault", Fault)
def test_each_fault_slows_then_cuts_a_session_and_is_counted(fault: Fault) -> None:
    subject = guard()
    address, session = arrived(subject), SessionCost()
    to_soft = COSTS.session_soft / fault.amount
    to_hard = (COSTS.session_hard - COSTS.session_soft) / fault.amount
    assert subject.charge(address, session, fault, to_soft * 0.9, 0.0) == 0.0
    pause = subject.charge(address, session, fault, to_soft * 0.11, 0.0)
    assert pause is not None
    assert pause > 0.0
    assert subject.charge(address, session, fault, to_hard, 0.0) is None
    assert subject.measures == {Measure.SLOWED: 1, Measure.CUT: 1}
    assert set(subject.faults) == {fault}


def test_an_address_over_its_hard_limit_is_refused_until_its_ban_expires() -> None:
    subject = guard()
    address = ban(subject)
    assert subject.is_banned(address, COSTS.ban_s - 0.1)
    assert subject.arrive(PEER, COSTS.ban_s - 0.1) is None
    assert arrived(subject, "192.0.2.2") is not address
    assert arrived(subject, PEER, COSTS.ban_s) is address
    assert subject.measures == {Measure.CUT: 1, Measure.BANNED: 1, Measure.REFUSED: 1}


def test_a_connection_without_an_address_is_not_taken_and_bans_nobody() -> None:
    subject = guard()
    assert all(subject.arrive("", 0.0) is None for _ in range(5000))
    assert subject.measures == {Measure.GONE: 5000}
    assert not subject.state(0.0)["addresses"]


def test_many_sessions_make_one_address_dear() -> None:
    subject = guard()
    for _ in range(round(COSTS.address_hard / Fault.NO_WORK.amount)):
        address = arrived(subject)
        subject.leave(address, authorised=False)
        subject.charge_ended(address, Fault.NO_WORK, 0.0)
    assert subject.arrive(PEER, 0.0) is None


def test_new_connections_of_an_address_over_its_soft_limit_wait() -> None:
    subject = guard()
    address = arrived(subject)
    assert subject.entry_pause_s(address, 0.0) == 0.0
    subject.charge(address, SessionCost(), Fault.NO_WORK, COSTS.address_soft / 2, 0.0)
    assert subject.entry_pause_s(address, 0.0) > 0.0
    assert subject.entry_pause_s(address, COSTS.half_life_s) == 0.0


def test_accepted_shares_forgive_an_address() -> None:
    subject = guard()
    address = arrived(subject)
    subject.charge(address, SessionCost(), Fault.NO_WORK, COSTS.address_soft / 2, 0.0)
    subject.forgive(address, round(COSTS.address_soft), 0.0)
    assert subject.entry_pause_s(address, 0.0) == 0.0


def test_a_farm_that_lost_its_line_comes_back_together_unbanned() -> None:
    subject = guard()
    size, now = 10_000, 0.0
    for _ in range(3):
        for _ in range(size):
            arrived(subject, PEER, now).enter(now)
        for _ in range(size):
            # Its connections break off, half of them as slow readers, before a first share.
            address = subject._addresses[PEER]
            subject.leave(address, authorised=True)
            subject.charge_ended(address, Fault.NO_WORK, now)
        for _ in range(size // 2):
            subject.charge_ended(address, Fault.SLOW_READER, now)
        now += 60.0  # a line that takes nothing ends after the send time-out
        assert subject.entry_pause_s(address, now) == 0.0
    assert not subject.measures


def test_one_bad_rig_of_a_farm_is_its_own_trouble() -> None:
    subject = guard()
    for _ in range(1000):
        arrived(subject).enter(0.0)
    now = 0.0
    while now < 3600.0:
        address = arrived(subject, PEER, now)
        now += 0.2 + subject.entry_pause_s(address, now)
        subject.charge(address, SessionCost(), Fault.BAD_JSON, 3, now)
        subject.leave(address, authorised=False)
    assert not subject.measures[Measure.BANNED]


def test_exempt_networks_pay_for_nothing_and_are_counted() -> None:
    subject = guard("192.0.2.0/24", "2001:db8::/32")
    for peer in (PEER, "192.0.2.77", "2001:db8::1"):
        address = arrived(subject, peer)
        assert subject.charge(address, SessionCost(), Fault.BAD_JSON, 1e6, 0.0) == 0.0
        subject.charge_ended(address, Fault.NO_WORK, 0.0)
        assert subject.arrive(peer, 0.0) is address
    assert subject.faults[Fault.NO_WORK] == 3
    assert ban(subject, "198.51.100.1").banned_until


def test_an_ipv6_customer_is_one_address() -> None:
    subject = guard()
    assert arrived(subject, "2001:db8:0:1::1") is arrived(subject, "2001:db8:0:1:ffff::2")
    assert arrived(subject, "2001:db8:0:1::1") is not arrived(subject, "2001:db8:0:2::1")
    assert arrived(subject, "fe80::1").name == "fe80::/64"


def test_the_table_of_addresses_is_bounded_and_keeps_bans_and_the_connected() -> None:
    subject = guard()
    banned, connected = ban(subject), arrived(subject, "192.0.2.2")
    for number in range(ADDRESSES_MAX + 1000):
        peer = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        subject.leave(arrived(subject, peer), authorised=False)
    assert len(subject._addresses) == ADDRESSES_MAX
    assert subject.is_banned(banned, 0.0)
    assert subject.arrive(PEER, 0.0) is None
    assert arrived(subject, "192.0.2.2") is connected


def test_the_state_names_every_fault_and_measure() -> None:
    subject = guard()
    ban(subject)
    state = subject.state(0.0)
    assert state["faults"].keys() == {fault.value for fault in Fault}
    assert state["measures"] == {
        "slowed": 0,
        "cut": 1,
        "banned": 1,
        "refused": 0,
        "gone": 0,
        "evicted": 0,
    }
    assert (state["addresses"], state["banned"]) == (1, 1)
    assert subject.state(COSTS.ban_s)["banned"] == 0

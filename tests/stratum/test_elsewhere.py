"""What a front tells of its dear addresses, and what it was told of them, within bounds."""

import pytest

from kench.stratum import elsewhere as elsewhere_module
from kench.stratum.costs import Address
from kench.stratum.elsewhere import LED_S, Elsewhere
from tests.support.stratum_client import COSTS

SOFT = COSTS.address_soft


def costing(amount: float, name: str = "192.0.2.1") -> Address:
    address = Address(name, exempt=False)
    address.add(amount, 0.0, COSTS.half_life_s)
    return address


def noted(subject: Elsewhere, *addresses: Address) -> dict[str, Address]:
    for one in addresses:
        subject.note(one, one.level(0.0, COSTS.half_life_s))
    return {one.name: one for one in addresses}


def test_what_is_asked_about_is_reported_known_or_not() -> None:
    subject = Elsewhere(COSTS)
    known = costing(3.0)
    subject.take({"fronts": 2, "costs": [["192.0.2.1", 1, 2], ["192.0.2.2", 3, 4]]}, 0.0)
    report = subject.report({known.name: known}, 0.0)
    assert sorted(report) == [("192.0.2.1", 3.0, 0.0), ("192.0.2.2", 0.0, 0.0)]


def test_an_address_is_reported_until_it_is_cheap_again_and_once_more() -> None:
    subject = Elsewhere(COSTS)
    addresses = noted(subject, costing(SOFT))
    assert subject.report(addresses, 0.0) == [("192.0.2.1", SOFT, 0.0)]
    later = 1.1 * COSTS.half_life_s
    assert len(subject.report(addresses, later)) == 1
    assert subject.report(addresses, later) == []


def test_the_more_fronts_the_smaller_the_costs_that_matter() -> None:
    subject = Elsewhere(COSTS)
    assert subject.report(noted(subject, costing(SOFT / 4)), 0.0) == []
    subject.take({"fronts": 4, "costs": []}, 0.0)
    assert len(subject.report(noted(subject, costing(SOFT / 4)), 0.0)) == 1


def test_the_dearest_are_reported_and_no_more_are_kept_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(elsewhere_module, "REPORTED_MAX", 3)
    monkeypatch.setattr(elsewhere_module, "DEAR_MAX", 6)
    subject = Elsewhere(COSTS)
    addresses = noted(subject, *(costing(SOFT + number, f"10.0.0.{number}") for number in range(9)))
    report = subject.report(addresses, 0.0)
    assert {name for name, _, _ in report} == {"10.0.0.3", "10.0.0.4", "10.0.0.5"}


def test_what_was_told_fades_as_costs_do_and_is_replaced_by_what_is_told_next() -> None:
    subject = Elsewhere(COSTS)
    assert subject.level("192.0.2.1", 0.0) == 0.0
    subject.take({"fronts": 2, "costs": [["192.0.2.1", 80, 5]]}, 0.0)
    assert subject.level("192.0.2.1", COSTS.half_life_s) == pytest.approx(40.0)
    assert (subject.standing("192.0.2.1"), subject.standing("192.0.2.2")) == (5.0, 0.0)
    subject.take({"fronts": 2, "costs": []}, 1.0)
    assert (subject.level("192.0.2.1", 1.0), subject.standing("192.0.2.1")) == (0.0, 0.0)


def test_one_of_several_fronts_is_led_as_long_as_it_is_asked() -> None:
    subject = Elsewhere(COSTS)
    assert not subject.is_led(0.0)
    subject.take({"fronts": 2, "costs": []}, 0.0)
    assert subject.is_led(LED_S - 0.1)
    assert not subject.is_led(LED_S)
    subject.take({"fronts": 1, "costs": []}, 0.0)
    assert not subject.is_led(0.0)

"""The paper venue over HTTP: conformance, who may come in, and every way an answer can be lost."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from kench.pool.venue_settings import VenueFault
from kench.sale.venues.port import (
    OrderState,
    VenueBusyError,
    VenueRefusedError,
    VenueUncertainError,
    VenueUnreadableError,
)
from kench.sale.venues.web import Web
from tests.sale.venues.conformance import BITCOIN, PRICE, VenueConformance
from tests.support.paper_venue import KEY, WINDOW_S, PaperRig, put_paper_rig
from tests.support.web_servers import Switch, switching


@pytest.fixture(scope="module")
def switch() -> Iterator[Switch]:
    with switching() as served:
        yield served


@pytest.fixture
def rig(switch: Switch) -> PaperRig:
    return put_paper_rig(switch)


class TestPaper(VenueConformance):
    pass


@pytest.fixture
def stocked(rig: PaperRig) -> PaperRig:
    rig.deposit(BITCOIN)
    rig.quote(("8000000", BITCOIN))
    return rig


def signed_request(rig: PaperRig, method: str, target: str, body: bytes) -> dict[str, str]:
    """Headers of a request that is made now."""
    return rig.client()._signed(method, target, body, rig.clock.now_us())


def test_an_order_whose_request_arrived_twice_is_uncertain_and_not_refused(
    stocked: PaperRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Web.ask

    def twice(*asked: Any) -> Any:
        ask(*asked)
        return ask(*asked)

    monkeypatch.setattr(Web, "ask", twice)
    with pytest.raises(VenueUncertainError, match="look it up"):
        stocked.place("a", 10_000_000, PRICE)
    monkeypatch.undo()
    view = stocked.venue.look_up("a")
    assert view is not None
    assert view.state is OrderState.FILLED


@pytest.mark.parametrize(
    ("fault", "error", "is_done"),
    [
        (VenueFault.LOST_QUESTION, VenueUncertainError, False),
        (VenueFault.LOST_ANSWER, VenueUncertainError, True),
        (VenueFault.GARBLED, VenueUnreadableError, True),
        (VenueFault.UNAVAILABLE, VenueUncertainError, False),
        (VenueFault.REJECT, VenueRefusedError, False),
    ],
)
def test_each_fault_of_the_line_has_its_error_and_the_order_its_truth(
    stocked: PaperRig, fault: VenueFault, error: type[Exception], is_done: bool
) -> None:
    stocked.faults.told = [fault]
    with pytest.raises(error):
        stocked.place("a", 10_000_000, PRICE)
    view = stocked.venue.look_up("a")
    sold = view is not None and view.filled_sat > 0
    assert sold is is_done


def test_an_answer_that_comes_too_late_is_uncertain_and_the_order_was_done(
    stocked: PaperRig,
) -> None:
    stocked.faults.told = [VenueFault.LATE_ANSWER]
    with pytest.raises(VenueUncertainError, match=r"0\.2 s"):
        stocked.client(timeout_s=0.2).place_limit_ioc(
            "a", 10_000_000, PRICE, stocked.clock.now_us()
        )
    view = stocked.venue.look_up("a")
    assert view is not None
    assert view.state is OrderState.FILLED


def test_an_order_that_arrives_after_the_window_is_never_carried_out(stocked: PaperRig) -> None:
    window_s = stocked.venue.capabilities().request_window_s
    assert window_s >= WINDOW_S
    signed = signed_request(stocked, "POST", "/v1/orders", b"{}")
    stocked.advance(window_s)
    answer = httpx.post(f"{stocked.url}/v1/orders", content=b"{}", headers=signed)
    assert (answer.status_code, answer.json()["error"]) == (401, "outside_window")


def test_a_request_sent_again_as_it_was_is_refused(stocked: PaperRig) -> None:
    signed = signed_request(stocked, "GET", "/v1/balance", b"")
    statuses = [httpx.get(f"{stocked.url}/v1/balance", headers=signed) for _ in range(2)]
    assert [answer.status_code for answer in statuses] == [200, 401]
    assert statuses[1].json()["error"] == "nonce_used"


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("key", "unknown_key"),
        ("signature", "bad_signature"),
        ("moment", "bad_signature"),
        ("nothing", "unsigned"),
        ("target", "bad_signature"),
        ("method", "bad_signature"),
        ("body", "bad_signature"),
    ],
)
def test_a_request_changed_on_its_way_is_refused(stocked: PaperRig, what: str, error: str) -> None:
    signed = signed_request(stocked, "GET", "/v1/balance", b"")
    method, target, body = "GET", "/v1/balance", b""
    if what == "nothing":
        signed = {}
    elif what == "target":
        target += "?"
        target += "since_us=0"
    elif what == "method":
        method, target = "DELETE", "/v1/orders/a"
    elif what == "body":
        body = b" "
    else:
        name = f"Kench-{what.capitalize()}"
        signed[name] = "1" + signed[name][1:] if signed[name][0] != "1" else "2" + signed[name][1:]
    answer = httpx.request(method, stocked.url + target, content=body, headers=signed)
    assert (answer.status_code, answer.json()["error"]) == (401, error)


def test_a_wrong_secret_is_refused_and_not_told(stocked: PaperRig) -> None:
    intruder = stocked.client(key=replace(KEY, secret="guess-of-a-secret"))
    with pytest.raises(VenueRefusedError) as caught:
        intruder.balance()
    assert "guess" not in str(caught.value) + repr(intruder) + repr(KEY)


def test_a_clock_far_off_is_refused_by_name(stocked: PaperRig) -> None:
    stocked.clock.step(-1000)
    signed = signed_request(stocked, "GET", "/v1/balance", b"")
    stocked.clock.step(1000)
    answer = httpx.get(f"{stocked.url}/v1/balance", headers=signed)
    assert answer.json()["error"] == "outside_window"


def test_too_many_requests_are_told_when_to_come_again(
    switch: Switch,
) -> None:
    rig = put_paper_rig(switch, requests_per_s=0.25)
    rig.venue.book()
    with pytest.raises(VenueBusyError) as caught:
        rig.venue.book()
    assert 1 <= caught.value.retry_after_s <= 4
    rig.advance(4)
    rig.venue.book()


ORDER = {
    "client_id": "a",
    "side": "sell",
    "type": "limit",
    "time_in_force": "IOC",
    "amount_sat": 20_000,
    "price": "1",
}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"null", b'{"client_id": "a"}', b"[" * 10_000, b"\xff", b"9" * 10_000]
    + [
        json.dumps({**ORDER, **lie}).encode()
        for lie in (
            {"side": "buy"},
            {"time_in_force": "GTC"},
            {"amount_sat": 1.5},
            {"amount_sat": True},
            {"amount_sat": -1},
            {"amount_sat": 10**30},
            {"price": 1},
            {"price": "1e400"},
            {"price": "1e-400"},
            {"price": "NaN"},
            {"price": "0"},
            {"price": "-1"},
            {"client_id": "a b"},
            {"client_id": ""},
            {"client_id": "a" * 65},
            {"further": 1},
        )
    ],
)
def test_a_body_that_is_no_order_is_refused_and_changes_nothing(
    stocked: PaperRig, body: bytes
) -> None:
    signed = signed_request(stocked, "POST", "/v1/orders", body)
    before = len(stocked.events)
    answer = httpx.post(f"{stocked.url}/v1/orders", content=body, headers=signed)
    assert answer.status_code == 400
    assert len(stocked.events) == before


def test_a_body_without_end_is_cut_off(stocked: PaperRig) -> None:
    body = b" " * 100_000
    signed = signed_request(stocked, "POST", "/v1/orders", body)
    answer = httpx.post(f"{stocked.url}/v1/orders", content=body, headers=signed)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "query", ["since_us=-1", "since_us=1e3", "after=x", "since_us=" + "9" * 30]
)
def test_a_query_that_is_no_number_is_refused(stocked: PaperRig, query: str) -> None:
    target = f"/v1/trades?{query}"
    signed = signed_request(stocked, "GET", target, b"")
    assert httpx.get(stocked.url + target, headers=signed).status_code == 400

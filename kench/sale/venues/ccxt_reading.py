"""The ccxt library's answers as those of the port: exact, or not believed at all."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from kench.sale.venues.port import (
    KGS,
    RAW_CHARACTERS_MAX,
    SATOSHI_PER_BITCOIN,
    Deposit,
    DepositState,
    Fill,
    Level,
    OrderState,
    OrderView,
    VenueUnreadableError,
    told,
)

ORDER_STATES = {
    "open": OrderState.OPEN,
    "canceling": OrderState.OPEN,
    "closed": OrderState.FILLED,
    "canceled": OrderState.CANCELLED,
    "expired": OrderState.CANCELLED,
    "rejected": OrderState.REJECTED,
}
DEPOSIT_STATES = {
    "pending": DepositState.SEEN,
    "ok": DepositState.CREDITED,
    "failed": DepositState.REJECTED,
    "canceled": DepositState.REJECTED,
}
TXID_DIGITS = 64
Answer = Mapping[str, Any]


def money(answer: Answer, name: str) -> Decimal:
    """Return a number that must be there."""
    value = answer.get(name)
    if not isinstance(value, Decimal) or not value.is_finite():
        raise unreadable(f"it has no {name}")
    return value


def satoshi(amount: Decimal, *, floor: bool = False) -> int:
    """Return bitcoins as whole satoshi; parts of one are refused, or dropped where asked."""
    if not amount.is_finite() or abs(amount.adjusted()) > 20:
        raise unreadable("an amount is none")
    exact = amount * SATOSHI_PER_BITCOIN
    if exact != exact.to_integral_value() and not floor:
        raise unreadable("an amount has parts of a satoshi")
    return int(exact)


def text(answer: Answer, name: str) -> str:
    """Return a text that must be there."""
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise unreadable(f"it has no {name}")
    return value


def moment_us(answer: Answer, name: str = "timestamp") -> int:
    """Return a moment that must be there; the library has milliseconds."""
    value = answer.get(name)
    if not isinstance(value, int):
        raise unreadable(f"it has no {name}")
    return value * 1000


def raw(answer: Answer) -> str:
    """Return the venue's own words."""
    return json.dumps(answer.get("info"), default=str)[:RAW_CHARACTERS_MAX]


def levels(side: Sequence[Sequence[Decimal]]) -> tuple[Level, ...]:
    """Read one side of the book; amounts below a satoshi are nothing."""
    found = [(row[0], satoshi(row[1], floor=True)) for row in side]
    return tuple(Level(price, amount_sat) for price, amount_sat in found if amount_sat)


def order_view(answer: Answer, client_id: str) -> OrderView:
    """Read an order, which must be the one that was asked about."""
    if answer.get("clientOrderId") != client_id:
        raise unreadable("it tells of another order")
    if answer.get("side") not in ("sell", None):
        raise unreadable("an order of ours buys")
    status = answer.get("status")
    if status not in ORDER_STATES:
        raise unreadable("an order has no state")
    state = ORDER_STATES[status]
    amount_sat = satoshi(money(answer, "amount"))
    filled_sat = 0
    if state is not OrderState.REJECTED:
        filled_sat = satoshi(money(answer, "filled"))
    if state in (OrderState.FILLED, OrderState.CANCELLED):
        # Venues call an order that ended with a rest closed, expired or cancelled as they please.
        whole = filled_sat == amount_sat
        state = OrderState.FILLED if whole else OrderState.CANCELLED
    return OrderView(client_id, text(answer, "id"), state, amount_sat, filled_sat,
                     told(str(status)), raw(answer))  # fmt: skip


def fill(answer: Answer, client_id: str) -> Fill:
    """Read a trade of an order of ours."""
    if answer.get("side") != "sell":
        raise unreadable("a trade of ours bought")
    fee = answer.get("fee")
    if not isinstance(fee, Mapping):
        raise unreadable("a trade has no fee")
    return Fill(
        text(answer, "id"),
        client_id,
        text(answer, "order"),
        satoshi(money(answer, "amount")),
        money(answer, "price"),
        money(answer, "cost"),
        money(fee, "cost"),
        str(fee.get("currency") or KGS),
        moment_us(answer),
        raw(answer),
    )


def deposit(answer: Answer) -> Deposit | None:
    """Read a deposit; None for one that came over no chain."""
    txid = answer.get("txid")
    if not isinstance(txid, str) or len(txid) != TXID_DIGITS:
        return None
    status = answer.get("status")
    if status not in DEPOSIT_STATES:
        raise unreadable("a deposit has no state")
    state = DEPOSIT_STATES[status]
    credited_us = None
    if state is DepositState.CREDITED:
        credited_us = moment_us(answer, "updated" if answer.get("updated") else "timestamp")
    amount_sat = satoshi(money(answer, "amount"))
    return Deposit(txid.lower(), None, amount_sat, state, credited_us, raw(answer))


def unreadable(why: str) -> VenueUnreadableError:
    """Return the error of an answer that is not believed."""
    return VenueUnreadableError(f"the venue's answer cannot be believed: {why}; ask the venue")

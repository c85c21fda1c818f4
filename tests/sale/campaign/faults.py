"""What goes wrong in the campaign: crashes between any two steps, and venues that lie."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeVar

import sqlalchemy as sa

from kench.sale.venues import port

T = TypeVar("T")


class Crash(Exception):  # noqa: N818 - it is no error of the pool's, it ends its process
    """The process dies here."""


@dataclass
class Fates:
    """Seeded draws of what happens next; `calm` lets nothing happen any more."""

    draw: random.Random
    crash_share: float = 0.015
    lie_share: float = 0.0
    is_calm: bool = False
    crashes: int = 0
    lies: int = 0

    def crash(self) -> None:
        if not self.is_calm and self.draw.random() < self.crash_share:
            self.crashes += 1
            raise Crash

    def lies_now(self) -> bool:
        if self.is_calm or self.draw.random() >= self.lie_share:
            return False
        self.lies += 1
        return True


@contextmanager
def crashing_transaction(engine: sa.Engine, fates: Fates) -> Iterator[sa.Connection]:
    """A transaction around which, and before whose commit, the process may die."""
    fates.crash()
    with engine.begin() as connection:
        yield connection
        fates.crash()
    fates.crash()


@contextmanager
def crashing_look(engine: sa.Engine, fates: Fates) -> Iterator[sa.Connection]:
    """A question to the database before and after which the process may die."""
    fates.crash()
    with engine.connect() as connection:
        yield connection
    fates.crash()


@dataclass
class CrashingVenue:
    """A venue before or after whose calls the process may die."""

    inner: port.Venue
    fates: Fates

    @property
    def name(self) -> str:
        return self.inner.name

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self.inner, name)

        def crashing(*arguments: Any) -> Any:
            self.fates.crash()
            answer = call(*arguments)
            self.fates.crash()
            return answer

        return crashing


@dataclass
class LyingVenue:
    """A venue that now and then tells what is not so, in ways that it could itself believe."""

    inner: port.Venue
    fates: Fates

    @property
    def name(self) -> str:
        return self.inner.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def fills(self, client_id: str) -> Sequence[port.Fill]:
        return self._twisted(list(self.inner.fills(client_id)))

    def fills_since(self, since_us: int) -> Sequence[port.Fill]:
        return self._twisted(list(self.inner.fills_since(since_us)))

    def look_up(self, client_id: str) -> port.OrderView | None:
        view = self.inner.look_up(client_id)
        if view is None or not self.fates.lies_now():
            return view
        match self.fates.draw.randrange(3):
            case 0:
                return None
            case 1:
                return replace(view, client_id="0" * 32)
            case _:
                less = view.filled_sat // 2
                return replace(view, filled_sat=less, state=port.OrderState.CANCELLED)

    def balance(self) -> port.Balance:
        told = self.inner.balance()
        if not self.fates.lies_now():
            return told
        return replace(told, free_sat=told.free_sat // 2, free_kgs=told.free_kgs + 1)

    def _twisted(self, fills: list[port.Fill]) -> list[port.Fill]:
        if not fills or not self.fates.lies_now():
            return fills
        last = fills[-1]
        match self.fates.draw.randrange(5):
            case 0:
                return fills[:-1]
            case 1:
                return [*fills, last]
            case 2:
                return [*fills, replace(last, trade_id=f"{last.trade_id}x")]
            case 3:
                half = last.amount_sat // 2 or 1
                cost = last.price * half / port.SATOSHI_PER_BITCOIN
                return [*fills[:-1], replace(last, amount_sat=half, cost=cost, fee=Decimal(0))]
            case _:
                return [*fills[:-1], replace(last, client_id="f" * 32)]

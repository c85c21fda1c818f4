"""From settings to the AML/KYT provider; one is set up, under whatever name the order gives it."""

import threading
from collections.abc import Callable, Iterator, Mapping

from kench.pool.clock import Clock
from kench.pool.orders.book import NoOrderError, OrderBook
from kench.pool.settings import Settings
from kench.sale.screening.http import HttpScreening
from kench.sale.screening.port import Screening


class OrderedScreenings(Mapping[str, Screening]):
    """The provider of the settings, by the name that the order in force has; for any thread."""

    def __init__(self, settings: Settings, orders: Callable[[], OrderBook], clock: Clock) -> None:
        self._settings = settings
        self._orders = orders
        self._clock = clock
        self._open: dict[str, Screening] = {}
        self._lock = threading.Lock()

    def __getitem__(self, provider: str) -> Screening:
        """Return the provider of this name; KeyError where none is set up."""
        settings = self._settings
        url, key_id, secret = (
            settings.screening_url, settings.screening_key_id, settings.screening_secret
        )  # fmt: skip
        if provider not in set(self) or url is None or key_id is None or secret is None:
            raise KeyError(provider)
        with self._lock:
            if provider not in self._open:
                self._open[provider] = HttpScreening(
                    provider, url, key_id, secret.get_secret_value(), self._clock,
                    timeout_s=settings.screening_timeout_s,
                )  # fmt: skip
            return self._open[provider]

    def __iter__(self) -> Iterator[str]:
        """Yield the name that the order in force has."""
        if self._settings.screening_url is not None:
            try:
                yield self._orders().screening_at(self._clock.now_us()).rule.provider
            except NoOrderError:
                return

    def __len__(self) -> int:
        """Return 1 where there is one."""
        return sum(1 for _ in self)


def open_screenings(
    settings: Settings, orders: Callable[[], OrderBook], clock: Clock
) -> Mapping[str, Screening]:
    """Return what the sale has coins screened by; nothing is asked yet."""
    return OrderedScreenings(settings, orders, clock)

"""A front's journal with its second copy: none, on a standby, or in the stream of a cluster."""

from collections.abc import Callable
from typing import Any

from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.journal import Batch, JournalWriter
from kench.pool.settings import Settings
from kench.pool.shipping import Shipper
from kench.pool.shipping.generation import read_generation
from kench.pool.shipping.leading import policy_of
from kench.pool.stream.opening import connect_of, publisher_of


class FrontJournal:
    """Owns the writer and what follows it; made before anything is served, since it may wait."""

    def __init__(
        self, settings: Settings, clock: Clock, on_replaced: Callable[[KenchError], None]
    ) -> None:
        """`on_replaced` hears, in a thread, that another has this journal or leads this pool."""
        directory = settings.journal_directory
        self._shipper = _shipper(settings, clock, on_replaced)
        self._cluster = connect_of(settings)
        self._publisher = None
        if self._cluster is not None:
            self._publisher = publisher_of(settings, self._cluster, directory, clock, on_replaced)
        self.writer = JournalWriter(
            directory,
            settings.instance,
            clock,
            settings.journal_segment_bytes,
            settings.journal_segment_s,
            self._shipper or self._publisher,
        )
        if self._publisher is not None:
            knows_time = self.writer.knows_time
            floor_us = self._publisher.open(self.writer.reached, knows_time=knows_time)
            self.writer.begin_at(floor_us)

    def start(
        self,
        on_durable: Callable[[Batch], None],
        on_trouble: Callable[[OSError | None], None],
        on_fault: Callable[[Exception], None],
    ) -> None:
        """Start the threads; the callbacks are the writer's."""
        if self._shipper is not None:
            self._shipper.start(self.writer.reached)
        if self._publisher is not None:
            self._publisher.start()
        self.writer.start(on_durable, on_trouble, on_fault)

    def stop(self) -> None:
        """Write what is queued, then end the threads, in the order of dependence."""
        self.writer.stop()
        if self._shipper is not None:
            self._shipper.stop()
        if self._publisher is not None:
            self._publisher.stop()
        if self._cluster is not None:
            self._cluster.close()

    def state(self) -> dict[str, Any]:
        """Return how the second copies fare, for the front's state; it waits for nothing."""
        return {
            "standby": self._shipper and self._shipper.state(),
            "stream": self._publisher and self._publisher.state(),
        }


def _shipper(
    settings: Settings, clock: Clock, on_replaced: Callable[[KenchError], None]
) -> Shipper | None:
    """Return what ships the journal to the standby, where there is one."""
    policy = policy_of(settings)
    if policy is None:
        return None
    data = settings.data_dir
    return Shipper(data, settings.instance, policy, read_generation(data), clock, on_replaced)

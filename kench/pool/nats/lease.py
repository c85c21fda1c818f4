"""Leases: which one of several processes does a kind of work, agreed on by the cluster.

A lease is a key whose holder writes it anew again and again. Who sees the same revision for `ttl_s`
(`kench.pool.watched`) takes it by a write that names that revision: of several, one succeeds. The
revision at which a lease was taken rises from holder to holder: it is the fencing token, `epoch`.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass

import nats.js.errors
import structlog
from nats.js.kv import KeyValue

from kench.pool.clock import Clock
from kench.pool.nats.cluster import Cluster, ClusterAwayError, ClusterRefusedError
from kench.pool.watched import RENEWALS, Watched

BUCKET = "kench-leases"

log = structlog.get_logger("lease")


@dataclass(frozen=True, slots=True)
class Seen:
    """A lease as the cluster has it; `holder` None where nobody holds it."""

    holder: str | None
    epoch: int
    revision: int


async def bucket(cluster: Cluster, name: str) -> KeyValue:
    """Return a bucket, made where there is none."""
    try:
        return await cluster.jetstream.key_value(name)
    except nats.js.errors.NotFoundError:
        return await cluster.jetstream.create_key_value(bucket=name, replicas=cluster.plan.replicas)


class Lease:
    """One process's part in a lease; `run` works in a thread of the caller's.

    `is_held` may be asked by any thread at any time: it needs no answer of the cluster.
    """

    def __init__(
        self, cluster: Cluster, name: str, holder: str, ttl_s: float, clock: Clock
    ) -> None:
        self._cluster = cluster
        self._name = name
        self._holder = holder
        self._ttl_s = ttl_s
        self._watched = Watched[Seen](ttl_s, clock)
        self._epoch = 0
        self._revision = 0

    @property
    def is_held(self) -> bool:
        """Whether nobody else can hold it at this moment."""
        return self._watched.is_held

    @property
    def epoch(self) -> int:
        """The fencing token of the time that it is held, or was last; 0 before."""
        return self._epoch

    @property
    def seen(self) -> Seen | None:
        """Who held it when the cluster was last asked; None before the first answer."""
        return self._watched.seen

    def turn(self) -> bool:
        """Ask the cluster once: renew it, or take it where it is free; return whether it is held.

        Raises ClusterAwayError, ClusterRefusedError.
        """
        began_s = self._watched.begin()
        if self.is_held:
            revision = self._renew()
            if revision is None:
                # Somebody took it although it was ours: our clock stood still for long.
                self._watched.lose()
                return False
            self._revision = revision
        else:
            if not self._is_free():
                return False
            taken = self._take()
            if not taken:
                return False
        self._watched.hold(began_s)
        return self.is_held

    def release(self) -> None:
        """Let it go, so that another need not wait; raises ClusterAwayError."""
        if not self.is_held:
            return
        self._watched.lose()
        value = json.dumps({"holder": None, "epoch": self._epoch}).encode()
        self._put(value, self._revision)

    def run(
        self,
        stop: threading.Event,
        on_change: Callable[[bool], None],
    ) -> None:
        """Renew or wait for it until `stop`; `on_change` hears in this thread what became of it.

        It is let go at the end.
        """
        was_held = False
        while not stop.is_set():
            try:
                self.turn()
            except (ClusterAwayError, ClusterRefusedError) as away:
                log.warning("lease not asked", lease=self._name, why=str(away))
            if self.is_held is not was_held:
                was_held = not was_held
                log.info("lease taken" if was_held else "lease lost", lease=self._name)
                on_change(was_held)
            stop.wait(self._ttl_s / RENEWALS)
        try:
            self.release()
        except (ClusterAwayError, ClusterRefusedError) as away:
            log.warning("lease not let go", lease=self._name, why=str(away))
        if was_held:
            on_change(False)

    def _renew(self) -> int | None:
        revision = self._write(self._epoch, self._revision)
        if revision is not None:
            return revision
        # A renewal whose answer was lost is ours too.
        seen = self._ask()
        if (seen.holder, seen.epoch) != (self._holder, self._epoch):
            return None
        return self._write(self._epoch, seen.revision)

    def _is_free(self) -> bool:
        """Look at it; free is what nobody holds, or nobody has renewed while we looked on."""
        seen = self._ask()
        is_stale = self._watched.look(seen)
        return seen.holder is None or is_stale

    def _take(self) -> bool:
        seen = self._watched.seen
        if seen is None:
            raise AssertionError("it was looked at")
        # Above every epoch before it, whoever else writes: the write names what it follows.
        epoch = max(seen.epoch, seen.revision) + 1
        revision = self._write(epoch, seen.revision)
        if revision is None:
            return False
        self._epoch, self._revision = epoch, revision
        return True

    def _write(self, epoch: int, after: int) -> int | None:
        value = json.dumps({"holder": self._holder, "epoch": epoch}).encode()
        revision = self._put(value, after)
        if revision is not None:
            self._watched.look(Seen(self._holder, epoch, revision))
        return revision

    def _put(self, value: bytes, after: int) -> int | None:
        """Write it behind that revision; None where another was quicker."""

        async def put() -> int | None:
            try:
                leases = await bucket(self._cluster, BUCKET)
                return await leases.update(self._name, value, last=after)
            except nats.js.errors.KeyWrongLastSequenceError:
                return None

        return self._cluster.ask(put(), self._ttl_s / 2)

    def _ask(self) -> Seen:
        async def get() -> Seen:
            leases = await bucket(self._cluster, BUCKET)
            try:
                entry = await leases.get(self._name)
            except nats.js.errors.KeyNotFoundError:
                return Seen(None, 0, 0)
            content = json.loads(entry.value or b"{}")
            return Seen(content.get("holder"), int(content.get("epoch", 0)), entry.revision or 0)

        return self._cluster.ask(get(), self._ttl_s / 2)

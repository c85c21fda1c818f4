"""This machine's hold on its front numbers: taken before anything serves, renewed, let go of."""

import os
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.looking import Looking
from kench.pool.nats.cluster import Cluster, ClusterAwayError, ClusterRefusedError
from kench.stratum.centre.machine import Machine, place_of
from kench.stratum.centre.numbers import CopiedFolderError, Numbers, NumbersTakenError, Owner

RENEW_S = 10.0
# A run that was heard of within this is alive.
SILENT_S = 3 * RENEW_S
# Where the cluster does not answer for so long at a start, what is still ours is served with.
PATIENCE_S = 10.0
ASK_S = 5.0
RUN_BYTES = 8

log = structlog.get_logger("centre")


class NumbersExpiredError(KenchError):
    """Another machine may soon have our numbers: we have not reached the cluster for long."""


class Keeping(Looking):
    """Holds numbers for one run of the job maker; `on_lost` is called in its thread."""

    def __init__(
        self, cluster: Cluster, data: Path, machine: Machine, lease_s: float, clock: Clock
    ) -> None:
        super().__init__("front numbers")
        self.cluster = cluster
        self.machine = machine
        self._lease_s = lease_s
        self._clock = clock
        run = os.urandom(RUN_BYTES).hex()
        me = Owner(machine.id, run, place_of(data), socket.gethostname(), clock.now_us())
        self._me = me
        self._numbers = Numbers(cluster, me, lease_s, SILENT_S)
        self._wanted: tuple[int, int, Sequence[int]] = (0, 0, ())
        self._held = range(0)
        self._entered = False
        self._renewed_s = clock.monotonic()
        self._on_lost: Callable[[KenchError], None] = _raise

    def hold(self, count: int, wish: int, keep: Sequence[int]) -> range:
        """Have `count` numbers in a row, from `wish` on if they are free; waits for the cluster.

        Without it, those are served with that were renewed less than half a lease ago, in this
        very place. Raises NumbersTakenError, CopiedFolderError, ClusterAwayError.
        """
        self._wanted = count, wish, keep
        due_s = self._clock.monotonic() + PATIENCE_S
        pause = threading.Event()
        while True:
            try:
                self._take()
            except (ClusterAwayError, ClusterRefusedError) as away:
                if self._clock.monotonic() < due_s:
                    pause.wait(0.2)
                    continue
                self._held = self._left(count)
                if not self._held:
                    raise ClusterAwayError(
                        f"front numbers cannot be had ({away}): see that the servers of"
                        " KENCH_NATS_URLS run"
                    ) from away
                log.warning("the cluster is away; numbers of the last run", numbers=self._said())
            return self._held

    def start_renewing(self, on_lost: Callable[[KenchError], None]) -> None:
        """Renew from now on."""
        self._on_lost = on_lost
        self.start()

    def release(self) -> None:
        """Say that this run is over: nothing serves any more."""
        self.stop()
        if not self._entered:
            return
        try:
            self.cluster.ask(self._numbers.end(self._clock.now_us()), ASK_S)
        except KenchError as fault:
            log.warning("front numbers were not let go of", why=str(fault))

    def state(self) -> dict[str, Any]:
        """Return what /status shows."""
        age_s = self._clock.monotonic() - self._renewed_s
        return {
            "machine": self.machine.id,
            "numbers": self._said(),
            "renewed_s": round(age_s, 3),
            "lease_s": self._lease_s,
        }

    def _said(self) -> str:
        return f"{self._held.start}-{self._held.stop - 1}" if self._held else ""

    def _take(self) -> None:
        """Enter and take what is wanted; what is served with already must be had."""
        count, wish, keep = self._wanted
        now_us, now_s = self._clock.now_us(), self._clock.monotonic()
        self.cluster.ask(self._numbers.enter(now_us), SILENT_S + ASK_S)
        before = self._held
        taken = self.cluster.ask(
            self._numbers.take(count, before.start if before else wish, keep, now_us), ASK_S
        )
        if before and taken != before:
            raise CopiedFolderError(
                f"fronts {self._said()} of this machine are another's by now: it was away for"
                " longer than KENCH_NUMBER_LEASE_S, or its data folder was copied"
            )
        self._held, self._entered = taken, True
        self._note(now_s)

    def _left(self, count: int) -> range:
        """Return the numbers of the last run where they are surely ours still, else none."""
        kept = self.machine.kept
        age_s = (self._clock.now_us() - kept.renewed_us) / 1e6
        if kept.place != self._me.place or not 0 <= age_s < self._lease_s / 2:
            return range(0)
        self._renewed_s = self._clock.monotonic() - age_s
        return range(kept.first, kept.first + count) if kept.count >= count else range(0)

    def _note(self, now_s: float) -> None:
        self._renewed_s = now_s
        held = self._held
        self.machine.keep(held.start, len(held), self._me.place, self._clock.now_us())

    def _run(self) -> None:
        while not self._stop.wait(RENEW_S):
            now_s = self._clock.monotonic()
            try:
                if self._entered:
                    self.cluster.ask(self._numbers.renew(self._clock.now_us()), ASK_S)
                    self._note(now_s)
                else:
                    self._take()
            except (ClusterAwayError, ClusterRefusedError) as away:
                log.warning("front numbers are not renewed", why=str(away))
                if now_s - self._renewed_s > self._lease_s / 2:
                    self._on_lost(
                        NumbersExpiredError(
                            "the cluster was away for half of KENCH_NUMBER_LEASE_S: another machine"
                            " may soon have this one's front numbers"
                        )
                    )
                    return
            except (CopiedFolderError, NumbersTakenError) as lost:
                self._on_lost(lost)
                return
            except OSError as error:
                # They are ours all the same; without the cluster the next start would not know.
                log.error("front numbers are not noted on disk", why=error.strerror)


def _raise(lost: KenchError) -> None:
    raise lost

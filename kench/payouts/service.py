"""The settlement process's loop: one thread writes the books, another asks the chain.

The writing thread never waits for a node and the asking thread never touches the database, so that
shares are booked while no node answers, and a request to end is obeyed between two transactions.

    journals --chunks--> writer --blocks to look at (one batch at most)--> lookout --> chain
                           ^------------ findings (one batch at most) ------'
"""

import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import IntegrityError, ProgrammingError

from kench.payouts.follow import (
    Action,
    ChainWatch,
    Finding,
    Followed,
    act,
    read_followed,
)
from kench.payouts.journals import CHUNK_RECORDS, JournalSwappedError
from kench.payouts.positions import SettledElsewhereError
from kench.payouts.progress import Progress, Trouble
from kench.payouts.rounds import FoundBlock
from kench.payouts.settle import OrdersOn, Settled, Settlement, no_orders
from kench.payouts.waiting import write_waits_for
from kench.pool.backoff import Backoff
from kench.pool.clock import Clock
from kench.pool.database import first_line
from kench.pool.errors import KenchError
from kench.pool.holder import Holder
from kench.pool.journal.format import JournalError
from kench.pool.lease import LEASE_S, Work
from kench.pool.orders.register import OrderUnsoundError

IDLE_S = 0.2
"""Wait where no journal has anything new."""
LOOK_S = 1.0
"""Time between two looks at the chain."""

log = structlog.get_logger("kench.payouts")


class BooksRefusedError(KenchError):
    """PostgreSQL refused what settlement wrote: books and journal do not fit together."""


class Lookout:
    """Looks at the chain in a daemon thread, one batch at a time."""

    def __init__(self, watch: ChainWatch) -> None:
        self._watch = watch
        self._asked: queue.Queue[Sequence[Followed]] = queue.Queue(1)
        self._found: queue.Queue[list[Finding] | Exception] = queue.Queue(1)
        self._busy = False
        self._thread = threading.Thread(target=self._run, name="lookout", daemon=True)

    def start(self) -> None:
        """Begin; the thread ends with the process, even in the middle of a question."""
        self._thread.start()

    @property
    def is_free(self) -> bool:
        """Whether a batch may be handed over."""
        return not self._busy

    def hand_over(self, blocks: Sequence[Followed]) -> None:
        """Ask about these blocks; only when free."""
        self._busy = True
        self._asked.put_nowait(blocks)

    def take(self) -> list[Finding] | None:
        """Return what was found, None where there is no answer yet; raises the look's error."""
        try:
            found = self._found.get_nowait()
        except queue.Empty:
            return None
        self._busy = False
        if isinstance(found, Exception):
            raise found
        return found

    def answer(self) -> None:
        """Wait for a batch and look at the chain for it."""
        blocks = self._asked.get()
        try:
            self._found.put(self._watch.look(blocks))
        except Exception as error:  # noqa: BLE001 - take raises it
            self._found.put(error)

    def _run(self) -> None:
        while True:
            self.answer()


class SettlementService:
    """Settles every journal under `journal_root` and follows its blocks until told to stop."""

    def __init__(  # noqa: PLR0913 - what it works on, and how
        self,
        engine: sa.Engine,
        journal_root: Path,
        watch: ChainWatch,
        clock: Clock,
        *,
        orders_on: OrdersOn = no_orders,
        chunk_records: int = CHUNK_RECORDS,
        lease_s: float = LEASE_S,
        lookout: Callable[[ChainWatch], Lookout] = Lookout,
    ) -> None:
        """Prepare it; `engine` needs two connections, the lease's and that of the books."""
        self._holder = Holder(engine, Work.SETTLE, clock, Backoff(clock), lease_s=lease_s)
        self._journal_root = journal_root
        self._clock = clock
        self._settlement = Settlement(
            journal_root, clock, orders_on=orders_on, chunk_records=chunk_records
        )
        self._journals_backoff = Backoff(clock)
        self._waits_for: str | None = None
        self._waits_for_known = False
        self._lookout = lookout(watch)
        self._chain_backoff = Backoff(clock)
        self._looked_s = float("-inf")
        self.progress = Progress(clock)

    @property
    def is_at_work(self) -> bool:
        """Whether this is the one settlement of the database; for any thread."""
        return self._holder.is_held

    @property
    def why(self) -> str | None:
        """What keeps this process from its work, None where nothing does; for any thread."""
        return "PostgreSQL does not answer" if self._holder.is_away else self.progress.why

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; lost connections are made again.

        Raises BooksRefusedError and LedgerRefusedError, after which people must look.
        """
        self._lookout.start()
        self._holder.run(stop, lambda: self._work(stop))

    def _work(self, stop: threading.Event) -> None:
        """Settle for as long as this is the one settlement of the database."""
        log.info("settling", journals=str(self._journal_root))
        self.progress.began()
        try:
            with self._holder.engine.connect() as connection:
                while not stop.is_set():
                    if not self.turn(connection):
                        stop.wait(IDLE_S)
        except (IntegrityError, ProgrammingError) as refusal:
            raise BooksRefusedError(
                f"PostgreSQL refused: {first_line(refusal)}; run `kench verify`"
            ) from refusal

    def turn(self, connection: sa.Connection) -> bool:
        """Do what is due once; True where the journals have more."""
        has_more = self._journals_backoff.is_due and self._settle(connection)
        self._follow(connection)
        return has_more

    def _settle(self, connection: sa.Connection) -> bool:
        """Settle one chunk; one journal in trouble stops all, for a block pays the work of all."""
        try:
            settled = self._settlement.settle_chunk(connection)
        except (JournalError, JournalSwappedError, SettledElsewhereError) as trouble:
            self.progress.failed(Trouble.JOURNALS, str(trouble))
            self._not_settled(connection, trouble, log.error)
            return False
        except OrderUnsoundError as unsound:
            # Nothing is lost by waiting, and a block split by another order's rules is wrong.
            self.progress.failed(Trouble.ORDERS, str(unsound))
            self._not_settled(connection, unsound, log.critical)
            return False
        if self._journals_backoff.succeed():
            log.info("journals settled again")
        self._note(settled)
        self._tell_waits_for(connection, self._settlement.waits_for)
        for block in settled.blocks:
            _log_block(block)
        if settled.paid:
            log.info("day over: its blocks paid", blocks=settled.paid)
        if settled.repeats:
            log.warning("shares that another journal had before: not credited", n=settled.repeats)
        return not settled.is_nothing

    def _note(self, settled: Settled) -> None:
        progress = self.progress
        progress.records += settled.records
        progress.blocks += len(settled.blocks)
        progress.repeats += settled.repeats
        progress.turned(self._settlement.behind, self._settlement.waits_for)

    def _not_settled(
        self, connection: sa.Connection, trouble: KenchError, tell: Callable[..., object]
    ) -> None:
        """Try again later, and tell meanwhile what settlement waits for."""
        retry_s = self._journals_backoff.fail()
        tell("journals not settled", why=str(trouble), retry_s=retry_s)
        self._tell_waits_for(connection, str(trouble))

    def _tell_waits_for(self, connection: sa.Connection, waits_for: str | None) -> None:
        """Log what settlement waits for when that changes, and keep it where status finds it."""
        if self._waits_for_known and waits_for == self._waits_for:
            return
        with connection.begin():
            write_waits_for(connection, waits_for)
        if waits_for is not None:
            log.warning("settlement waits", waits_for=waits_for)
        elif self._waits_for is not None:
            log.info("settlement waits no more")
        self._waits_for, self._waits_for_known = waits_for, True

    def _follow(self, connection: sa.Connection) -> None:
        try:
            findings = self._lookout.take()
        except KenchError as trouble:
            self.progress.troubles[Trouble.CHAIN] += 1
            log.warning("chain not seen", why=str(trouble), retry_s=self._chain_backoff.fail())
            return
        if findings is not None:
            self.progress.saw_chain()
            if self._chain_backoff.succeed():
                log.info("chain seen again")
            act(connection, findings)
            for finding in findings:
                _log_finding(finding)
        now_s = self._clock.monotonic()
        if (
            self._lookout.is_free
            and self._chain_backoff.is_due
            # What was just done may ask for more at once: a block back on the chain may be mature.
            and (findings or now_s - self._looked_s >= LOOK_S)
        ):
            with connection.begin():
                blocks = read_followed(connection)
            self._lookout.hand_over(blocks)
            self._looked_s = now_s


def _log_block(block: FoundBlock) -> None:
    log.info(
        "block booked",
        hash=block.hash,
        height=block.height,
        instance=block.instance,
        sequence=block.sequence,
        credited=block.credited,
        reward_sat=block.reward_sat,
        participants=len(block.amounts_sat),
    )


def _log_finding(finding: Finding) -> None:
    block = finding.block
    facts = {
        "hash": block.hash,
        "height": block.height,
        "confirmations": finding.confirmations,
        "attempt": block.attempts + (finding.action is Action.PEND),
    }
    match finding.action:
        case Action.PEND:
            log.info("reward pended", **facts)
        case Action.POST:
            log.info("reward posted", **facts)
        case Action.VOID:
            log.warning("reward voided", **facts)
        case Action.ALARM:
            log.critical("a posted block left the chain: its reward must be corrected", **facts)
        case Action.CALM:
            log.warning("a posted block is back on the chain", **facts)
        case Action.REST | Action.NONE:
            pass

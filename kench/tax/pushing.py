"""The sender: closed periods to the tax service, by our own security server, until it answers."""

import os
import ssl
from collections.abc import Callable
from typing import Annotated, NamedTuple

import httpx
import msgspec
import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from kench.pool.backoff import Backoff
from kench.pool.holder import Holder
from kench.pool.lease import LeaseLostError, Work
from kench.pool.looking import Looking
from kench.pool.secret_files import check_private
from kench.pool.settings import Settings
from kench.pool.xroad import VERSION, Header
from kench.tax.provider import Provider
from kench.tax.pushes import (
    Push,
    note_fault,
    plan_pushes,
    read_waiting,
    revive_pushes,
    settle_push,
    take_due,
)
from kench.tax.receipts import CODE_MAX, RECEIPTS_MAX, WORDS_MAX, Receipt

THREADS = 2
"""Connections of PostgreSQL that it uses: the lease's, and that of a message."""
IDLE_S = 2.0
JOIN_S = 5.0
ANSWER_BYTES_MAX = 1_048_576
PATH = "/v1/income-reports"

log = structlog.get_logger("tax")


class Rejected(msgspec.Struct):
    """A record that was not taken."""

    doc_ref: Annotated[str, msgspec.Meta(max_length=100)]
    code: Annotated[str, msgspec.Meta(min_length=1, pattern=r"^[A-Za-z0-9._-]+\Z",
                                      max_length=CODE_MAX)]  # fmt: skip
    words: str = ""


class Answered(msgspec.Struct):
    """What the tax service answers: how many it took, and which it did not."""

    accepted: Annotated[int, msgspec.Meta(ge=0, le=RECEIPTS_MAX)]
    rejected: Annotated[list[Rejected], msgspec.Meta(max_length=RECEIPTS_MAX)]


class Place(NamedTuple):
    """Where messages go."""

    url: str
    client: str
    consumer: str


class Refusal(Exception):  # noqa: N818 - an outcome, told by its text
    """A message was not taken: why."""


class PushSender(Looking):
    """Sends in a thread of its own until it is stopped; does nothing where nobody is told."""

    def __init__(
        self,
        provider: Provider,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        super().__init__("pushes", JOIN_S)
        self._provider = provider
        self._random_bytes = random_bytes
        self._place = place_of(provider.settings)
        settings, clock = provider.settings, provider.clock
        self._holder = Holder(
            provider.engine, Work.PUSHES, clock, Backoff(clock), lease_s=settings.lease_s
        )
        self._http = httpx.Client(
            verify=_context_of(settings) if self._place else False,
            timeout=settings.tax_push_timeout_s,
            follow_redirects=False,
            trust_env=False,
        )

    def stop(self) -> None:
        """End the thread, and let go of the connection."""
        super().stop()
        self._http.close()

    def look(self) -> int:
        """Queue what was released, send what is due; return how many messages were taken."""
        if self._place is None:
            return 0
        provider = self._provider
        with self._holder.engine.begin() as db:
            batch = provider.settings.tax_push_batch
            plan_pushes(db, batch, provider.clock.now_us(), self._random_bytes)
        taken = 0
        while not self._stop.is_set():
            with self._holder.engine.begin() as db:
                push = take_due(db, provider.clock.now_us())
            if push is None or not self._deliver(push, self._place):
                break
            taken += 1
        self._show()
        return taken

    def _deliver(self, push: Push, place: Place) -> bool:
        """Send a message and keep what came of it; whether it was taken."""
        provider, tries = self._provider, self._provider.metrics.push_tries
        try:
            answer = self._send(push, place)
            rejected = read_answer(answer, push)
        except (Refusal, httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            fault = str(error) or type(error).__name__
            with self._holder.engine.begin() as db:
                given_up = note_fault(db, push, fault)
            tries.labels("given_up" if given_up else "failed").inc()
            log.warning("income was not taken", message=push.id, tries=push.tries, why=fault)
            return False
        with self._holder.engine.begin() as db:
            settle_push(
                db, push, consumer=place.consumer, rejected=rejected, answer=answer,
                now_us=provider.clock.now_us(),
            )  # fmt: skip
        tries.labels("taken").inc()
        provider.metrics.records.labels("push").inc(len(push.doc_refs))
        provider.metrics.receipts.labels("rejected").inc(len(rejected))
        provider.metrics.receipts.labels("accepted").inc(len(push.doc_refs) - len(rejected))
        return True

    def _send(self, push: Push, place: Place) -> bytes:
        """Send a message, by the id that it has at every try; raises Refusal."""
        headers = {
            Header.CLIENT.value: place.client,
            Header.ID.value: push.xroad_id,
            "Content-Type": "application/json",
            "Accept": "application/json",
            # What is digested and kept is read as it comes.
            "Accept-Encoding": "identity",
        }
        clock, bound_s = self._provider.clock, self._provider.settings.tax_push_timeout_s
        began = clock.monotonic()
        with self._http.stream("POST", place.url, content=push.body, headers=headers) as response:
            fault = response.headers.get(Header.ERROR.value)
            if fault is not None:
                raise Refusal(f"the security server says {_plain(fault)}")
            if response.status_code != httpx.codes.OK:
                raise Refusal(f"the answer has status {response.status_code}")
            body = bytearray()
            for piece in response.iter_raw():
                body += piece
                if len(body) > ANSWER_BYTES_MAX:
                    raise Refusal("the answer is too long")
                # The client's own bound is of each piece alone.
                if clock.monotonic() - began > bound_s:
                    raise Refusal(f"the answer did not end in {bound_s:g} s")
        return bytes(body)

    def _show(self) -> None:
        with self._holder.engine.begin() as db:
            found = read_waiting(db)
        metrics = self._provider.metrics
        metrics.pushes_waiting.set(found.waiting)
        metrics.pushes_failed.set(found.failed)
        age_us = 0 if found.oldest_us is None else self._provider.clock.now_us() - found.oldest_us
        metrics.pushes_oldest_s.set(max(0, age_us) / 1_000_000)

    def _run(self) -> None:
        if self._place is None:
            return
        self._holder.run(self._stop, self._work)

    def _work(self) -> None:
        with self._holder.engine.begin() as db:
            revive_pushes(db, self._provider.clock.now_us())
        while not self._stop.is_set():
            self._holder.require()
            try:
                self.look()
            except (DBAPIError, PoolTimeoutError, LeaseLostError):
                raise
            except Exception:  # No fault of one message may end the sending, unnoticed.
                log.exception("sending income broke")
            self._stop.wait(IDLE_S)


def place_of(settings: Settings) -> Place | None:
    """Return where messages go; None where the tax service only pulls."""
    url, service, client = (
        settings.tax_push_url, settings.tax_push_service, settings.tax_push_client
    )  # fmt: skip
    if url is None or service is None or client is None:
        return None
    return Place(f"{url}/{VERSION}/{service}{PATH}", client, service)


def read_answer(answer: bytes, push: Push) -> list[Receipt]:
    """Return which records were rejected; raises Refusal where the answer does not add up."""
    try:
        told = msgspec.json.decode(answer, type=Answered)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Refusal("the answer is not as described") from None
    names = {one.doc_ref for one in told.rejected}
    adds_up = told.accepted + len(told.rejected) == len(push.doc_refs)
    if not adds_up or len(names) < len(told.rejected) or not names <= push.doc_refs:
        raise Refusal("the answer does not add up to the message")
    return [
        Receipt(one.doc_ref, "rejected", one.code, _plain(one.words)[:WORDS_MAX])
        for one in told.rejected
    ]


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)[:WORDS_MAX]


def _context_of(settings: Settings) -> ssl.SSLContext:
    """Return what our security server is known by, and knows us by."""
    context = ssl.create_default_context(
        cafile=str(settings.tax_push_ca) if settings.tax_push_ca else None
    )
    if settings.tax_certificate and settings.tax_key:
        check_private(settings.tax_key)
        context.load_cert_chain(settings.tax_certificate, settings.tax_key, password=lambda: "")
    return context

"""Closed periods are sent until they are answered, each message by one id; rejections come back."""

import contextlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from kench.consumer.receiving import Receiver
from kench.pool.clock import ManualClock
from kench.tax.provider import Provider
from kench.tax.pushes import TRIES_MAX, Push, revive_pushes
from kench.tax.pushing import PushSender, Refusal, read_answer
from kench.xroad.server import SecurityServer
from tests.support.pki import NOW_US
from tests.support.signing import Draw
from tests.support.tax import close_period, provider_of, put_record, put_records
from tests.support.web_servers import serving

SERVICE = "KG/GOV/10000001/taxes/miningIncome"
US = "KG/GOV/10000009/mining"
FIRST_DAY = date(2025, 10, 1)


class Line(NamedTuple):
    """All between us and the tax service."""

    provider: Provider
    sender: PushSender
    receiver: Receiver
    server: SecurityServer
    clock: ManualClock

    def look(self, hours: float = 0.0) -> int:
        self.clock.advance(hours * 3600)
        return self.sender.look()


@contextlib.contextmanager
def line_of(
    database: str, unknown: tuple[int, ...] = (), faults: Mapping[str, float] | None = None
) -> Iterator[Line]:
    receiver, clock = Receiver(unknown), ManualClock(NOW_US)
    with serving(receiver.app) as behind:
        server = SecurityServer({SERVICE: behind}, Draw(), faults=faults)
        with contextlib.closing(server), serving(server.app) as url:
            settings: dict[str, Any] = {
                "tax_push_url": url, "tax_push_service": SERVICE, "tax_push_client": US,
                "tax_push_batch": 4, "clock": clock,
            }  # fmt: skip
            with provider_of(database, **settings) as provider:
                sender = PushSender(provider, Draw(77))
                yield Line(provider, sender, receiver, server, clock)
                sender.stop()


def rows(engine: sa.Engine, query: str) -> list[Any]:
    with engine.begin() as db:
        return list(db.execute(sa.text(query)).all())


def test_a_closed_period_is_sent_in_messages_and_each_record_accepted(
    engine: sa.Engine, database: str
) -> None:
    with engine.begin() as db:
        names = put_records(db, [7, 8, 9], 3)
    with line_of(database) as line:
        assert line.look() == 0
        with engine.begin() as db:
            close_period(db)
        assert line.look() == 3
        assert line.look() == 0
    assert sorted(line.receiver.records) == sorted(names)
    assert line.receiver.messages == 3
    receipts = rows(engine, "SELECT doc_ref, status, consumer FROM income_receipts")
    assert sorted(receipts) == sorted((name, "accepted", SERVICE) for name in names)
    states = rows(engine, "SELECT state, records FROM income_pushes ORDER BY id")
    assert states == [("sent", 4), ("sent", 4), ("sent", 1)]


def test_rejections_come_back_as_cases(engine: sa.Engine, database: str) -> None:
    with engine.begin() as db:
        put_records(db, [7, 8], 2)
        close_period(db)
    with line_of(database, unknown=(8,)) as line:
        assert line.look() == 1
    found = rows(engine, "SELECT code, words, status FROM income_receipts ORDER BY status, id")
    assert found[:2] == [("", "", "accepted")] * 2
    assert found[2:] == [("UNKNOWN-PAYER", "no such taxpayer", "rejected")] * 2
    assert rows(engine, "SELECT count(*) FROM income_rejection_queue") == [(2,)]


def test_only_what_is_new_of_a_period_that_is_closed_again_is_sent(
    engine: sa.Engine, database: str
) -> None:
    with engine.begin() as db:
        put_records(db, [7], 2)
        close_period(db)
    with line_of(database) as line:
        line.look()
        with engine.begin() as db:
            close_period(db, reopens=True)
            correction = put_record(db, 7, FIRST_DAY, 2, "correct")
        assert line.look() == 0
        with engine.begin() as db:
            close_period(db)
        assert line.look() == 1
    assert list(line.receiver.records)[-1] == correction
    assert line.receiver.messages == 2


def test_a_message_whose_answer_is_lost_is_sent_again_by_its_id_and_taken_once(
    engine: sa.Engine, database: str
) -> None:
    with engine.begin() as db:
        put_records(db, [7, 8, 9], 4)
        close_period(db)
    with line_of(database, faults={"lost-answer": 0.4, "away": 0.3}) as line:
        for _ in range(30):
            line.look(hours=7)
    ids = [id_ for id_, _ in line.server.passed]
    assert len(set(ids)) == 3 < len(ids)
    assert line.receiver.messages == 3
    assert rows(engine, "SELECT count(*), count(DISTINCT doc_ref) FROM income_receipts") == [
        (12, 12)
    ]


def test_tries_come_later_and_later_and_end(engine: sa.Engine, database: str) -> None:
    with engine.begin() as db:
        put_records(db, [7], 1)
        close_period(db)
    with line_of(database, faults={"away": 1.0}) as line:
        assert line.look() == 0
        assert line.look() == 0
        assert rows(engine, "SELECT tries, state FROM income_pushes") == [(1, "waiting")]
        waits = []
        for _ in range(TRIES_MAX):
            before = rows(engine, "SELECT extract(epoch FROM due_at) FROM income_pushes")[0][0]
            waits.append(float(before) - line.clock.now_us() / 1e6)
            line.look(hours=6.1)
        assert waits[0] == pytest.approx(30.0)
        ((state, fault),) = rows(engine, "SELECT state, fault FROM income_pushes")
        assert state == "failed"
        assert "Server.ServerProxy.NetworkError" in fault
        with line.provider.engine.begin() as db:
            assert revive_pushes(db, line.clock.now_us()) == 1
        assert rows(engine, "SELECT state, tries FROM income_pushes") == [("waiting", 0)]


def test_a_correction_never_overtakes_what_it_corrects(engine: sa.Engine, database: str) -> None:
    with engine.begin() as db:
        put_records(db, [7], 1)
        close_period(db)
    with line_of(database, faults={"away": 1.0}) as line:
        line.look()
        with engine.begin() as db:
            close_period(db, reopens=True)
            put_record(db, 7, FIRST_DAY, 2, "correct")
            close_period(db)
        line.look()
        assert rows(engine, "SELECT tries FROM income_pushes ORDER BY id") == [(1,), (0,)]


def test_one_that_is_given_up_holds_back_its_periods_corrections_and_nothing_else(
    engine: sa.Engine, database: str
) -> None:
    with engine.begin() as db:
        names = put_records(db, [7, 8, 9], 2)
        close_period(db)
    with line_of(database) as line:
        line.sender.look()
        with engine.begin() as db:
            db.execute(sa.text("SET LOCAL session_replication_role = replica"))
            db.execute(sa.text("UPDATE income_pushes SET state = 'failed', answered_at = NULL, "
                               "answer_sha256 = NULL WHERE records = 4"))  # fmt: skip
            db.execute(sa.text("SET LOCAL session_replication_role = origin"))
            close_period(db, reopens=True)
            correction = put_record(db, 7, FIRST_DAY, 2, "correct")
            close_period(db)
            other = put_records(db, [7], 1, "2025-11")
            close_period(db, "2025-11")
        assert line.look() == 1
        assert line.receiver.records.keys() == {*names, *other}
        with line.provider.engine.begin() as db:
            revive_pushes(db, line.clock.now_us())
        assert line.look() == 2
        assert list(line.receiver.records)[-1] == correction


def test_an_answer_that_goes_on_and_on_is_given_up_and_a_packed_one_is_not_asked_for(
    engine: sa.Engine, database: str
) -> None:
    with engine.begin() as db:
        put_records(db, [7], 1)
        close_period(db)
    with line_of(database) as line:
        slow = True

        async def answer(request: Request) -> Response:
            assert request.headers["accept-encoding"] == "identity"

            async def drip() -> AsyncIterator[bytes]:
                for _ in range(600):
                    line.clock.advance(1)
                    yield b" "

            body = b'{"accepted": 1, "rejected": []}'
            return StreamingResponse(drip()) if slow else Response(body)

        line.receiver.app.routes[:] = [Route("/v1/income-reports", answer, methods=["POST"])]
        assert line.look() == 0
        ((fault,),) = rows(engine, "SELECT fault FROM income_pushes")
        assert fault == "the answer did not end in 60 s"
        slow = False
        assert line.look(hours=1) == 1


PUSH = Push(1, "id", 1, frozenset({"a", "b"}), b"")


@pytest.mark.parametrize(
    "told",
    [
        {"accepted": 1, "rejected": []},
        {"accepted": 3, "rejected": []},
        {"accepted": 1, "rejected": [{"doc_ref": "c", "code": "X"}]},
        {"accepted": 0, "rejected": [{"doc_ref": "a", "code": "X"}] * 2},
        {"accepted": 1, "rejected": [{"doc_ref": "a", "code": ""}]},
        {"accepted": -1, "rejected": []},
        {"accepted": "2", "rejected": []},
        {},
        [],
    ],
)
def test_an_answer_that_does_not_add_up_is_none(told: Any) -> None:
    with pytest.raises(Refusal):
        read_answer(json.dumps(told).encode(), PUSH)


def test_words_of_an_answer_are_kept_without_control_characters() -> None:
    told = {"accepted": 1, "rejected": [{"doc_ref": "a", "code": "X", "words": "a\u0000b\nc"}]}
    (one,) = read_answer(json.dumps(told).encode(), PUSH)
    assert one.words == "a b c"

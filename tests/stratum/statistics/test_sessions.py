"""What fronts tell of sessions: there and back, by worker, bounded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.stratum.statistics import sessions
from kench.stratum.statistics.copying import NEVER
from kench.stratum.statistics.sessions import SessionBook, SessionFacts, decode, encode

IDS = st.integers(0, 2**32 - 1)
FACTS = st.builds(
    SessionFacts,
    session=IDS,
    since_us=st.integers(0, 2**62),
    difficulty=st.floats(0, 2.0**63),
    user_agent=st.text(max_size=60),
    owners=st.lists(st.tuples(IDS, IDS), max_size=5).map(tuple),
)


@given(st.lists(FACTS, max_size=8))
def test_facts_arrive_as_they_were_told(facts: list[SessionFacts]) -> None:
    assert list(decode(encode(facts))) == facts


@given(FACTS, st.data())
def test_facts_cut_short_are_refused(fact: SessionFacts, data: st.DataObject) -> None:
    whole = encode([fact])
    body = whole[: data.draw(st.integers(1, len(whole) - 1))]
    with pytest.raises(ValueError, match="cut short"):
        list(decode(body))


def a_session(number: int, worker: int, since_us: int = 5, agent: str = "a") -> SessionFacts:
    return SessionFacts(number, since_us, float(number), agent, ((1, worker),) if worker else ())


def by_worker(book: SessionBook, size: int) -> list[tuple[int, int, float, str]]:
    _, workers = book.workers()
    found = book.by_row(workers.astype(np.intp), size)
    return [
        (int(number), int(since), float(difficulty), book.user_agents[agent])
        for number, since, difficulty, agent in zip(
            found.sessions, found.since_us, found.difficulty, found.user_agent, strict=True
        )
    ]


def test_a_workers_sessions_are_counted_with_the_oldest_and_the_hardest() -> None:
    book = SessionBook()
    book.take(0, [a_session(1, 1, 50), a_session(2, 1, 40), a_session(3, 2, 7, "b")])
    assert by_worker(book, 4) == [
        (0, NEVER, 0.0, ""), (2, 40, 2.0, "a"), (1, 7, 3.0, "b"), (0, NEVER, 0.0, ""),
    ]  # fmt: skip


def test_a_session_told_again_replaces_what_was_told_and_one_without_workers_has_ended() -> None:
    book = SessionBook()
    book.take(0, [a_session(1, 1), a_session(2, 2)])
    book.take(0, [a_session(1, 2, agent="c"), a_session(2, 0)])
    assert [row[0] for row in by_worker(book, 3)] == [0, 0, 1]
    assert len(book) == 1


def test_a_front_that_is_gone_takes_its_sessions_along_and_no_others() -> None:
    book = SessionBook()
    book.take(0, [a_session(1, 1)])
    book.take(1, [a_session(1, 2)])
    book.drop(0)
    assert [row[0] for row in by_worker(book, 3)] == [0, 0, 1]


def test_a_proxys_session_counts_for_each_of_its_workers() -> None:
    book = SessionBook()
    book.take(0, [SessionFacts(1, 5, 9.0, "p", tuple((1, worker) for worker in range(3000)))])
    assert {row[:3] for row in by_worker(book, 3000)} == {(1, 5, 9.0)}
    book.take(0, [a_session(1, 0)])
    assert sum(row[0] for row in by_worker(book, 3000)) == 0


def test_user_agents_are_bounded_by_those_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "AGENTS_MAX", 4)
    book = SessionBook()
    book.take(0, [a_session(1, 1, agent="stays")])
    for number in range(20):
        book.take(0, [a_session(2, 2, agent=f"passing/{number}")])
    assert len(book.user_agents) <= 4
    assert [row[3] for row in by_worker(book, 3)] == ["", "stays", "passing/19"]


def test_places_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "PLACES_MAX", 2)
    book = SessionBook()
    book.take(0, [a_session(number, number) for number in (1, 2, 3)])
    assert [row[0] for row in by_worker(book, 4)] == [0, 1, 1, 0]
    book.take(0, [a_session(1, 0), a_session(4, 3)])
    assert [row[0] for row in by_worker(book, 4)] == [0, 0, 1, 1]

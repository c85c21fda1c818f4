"""What pages of one person or participant ask goes by an index, however much there is of others."""

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.alerts.addresses import ask_address, find_link
from kench.cabinet.alerts.figures import read_waiting
from kench.cabinet.alerts.letters import Letter, write_to_participant
from kench.cabinet.alerts.outbox import take_due
from kench.cabinet.alerts.rules import rules_of
from kench.cabinet.desk.papers import read_papers
from kench.cabinet.measures.decisions import decision_readings, decisions_of, newest_decision
from kench.cabinet.measures.store import all_standing, move_suspensions, standing_of
from kench.cabinet.messages.circulars import (
    circulars_of,
    own_circular,
    recipients_of,
    tell_of_circulars,
    told_of,
)
from kench.cabinet.messages.store import count_unread, messages_of
from kench.cabinet.registration.cases import (
    case_of_participant,
    cases_of,
    cases_with_number,
    closed_cases,
    open_cases,
)
from kench.cabinet.registration.documents import check_uploaded, read_draft_of
from kench.cabinet.registration.dossier import acts_of
from kench.cabinet.registration.membership import current_entry, entries_of, history_of, state_of
from kench.cabinet.registration.notice_store import (
    next_notices,
    notices_of,
    own_suspension,
    read_notice_case,
    take_effect,
)
from kench.cabinet.registration.regions import Region
from kench.cabinet.registration.states import ParticipantState
from kench.cabinet.registration.telling import tell_what_is_near
from kench.cabinet.registration.waiting import read_overdue
from kench.cabinet.registry.extracts import extracts_of, waiting_requests
from kench.cabinet.registry.history import steps_of
from kench.cabinet.registry.search import Wanted, search, search_public
from kench.cabinet.registry.words import Where
from kench.cabinet.words.languages import Language
from kench.pool.database import open_engine
from kench.pool.tokens import has_token, make_token, tokens_of
from tests.support.applications import TODAY, application
from tests.support.pki import PIN
from tests.support.registration import NOW_US, put_officer, registered
from tests.support.signing import cabinet_engine

QUERIES: dict[str, Callable[[sa.Connection], object]] = {
    "cases of a person": lambda db: cases_of(db, 1),
    "cases with a tax number": lambda db: cases_with_number(db, PIN),
    "case of a participant": lambda db: case_of_participant(db, 1),
    "draft": lambda db: read_draft_of(db, 1),
    "uploads": lambda db: check_uploaded(db, 1, application().attachments),
    "acts": lambda db: acts_of(db, 1),
    "token": lambda db: has_token(db, 1),
    "tokens": lambda db: tokens_of(db, 1),
    "making of a token": lambda db: make_token(db, 1),
    "entry": lambda db: current_entry(db, 1),
    "entries": lambda db: entries_of(db, 1),
    "history": lambda db: history_of(db, 1),
    "state": lambda db: state_of(db, 1),
    "notices": lambda db: notices_of(db, 1),
    "notice": lambda db: read_notice_case(db, 1),
    "messages": lambda db: messages_of(db, 1, 1),
    "unread messages": lambda db: count_unread(db, 1, 1),
    "due letters": lambda db: take_due(db, NOW_US),
    "letters that wait": lambda db: read_waiting(db, NOW_US),
    "asking of an address": lambda db: ask_address(db, 1, "b@example.kg", Language.EN, NOW_US),
    "letter": lambda db: write_to_participant(
        db, 1, "a@b.kg", Letter.DECIDED, "/", now_us=NOW_US, number=1
    ),
    "link": lambda db: find_link(db, "x", NOW_US),
    "rules": lambda db: rules_of(db, [1]),
    "open applications": lambda db: open_cases(db, after=1),
    "closed applications": closed_cases,
    "waiting notices": lambda db: next_notices(db, after=1),
    "overdue": lambda db: read_overdue(db, TODAY),
    "near": lambda db: tell_what_is_near(db, NOW_US),
    "due": lambda db: take_effect(db, NOW_US),
    "register": lambda db: search(db, Wanted("a 7", Where.NAME), after=1),
    "register by number": lambda db: search(db, Wanted("7"), after=1),
    "register by region": lambda db: search(db, Wanted(region=Region.NARYN)),
    "register by state": lambda db: search(db, Wanted(state=ParticipantState.EXCLUDED)),
    "public register": lambda db: search_public(db, "7"),
    "circulars": lambda db: circulars_of(db, 1, 1, at_most=9),
    "circular": lambda db: own_circular(db, 1, 1, 1),
    "recipients": lambda db: recipients_of(db, 1, after=1, at_most=9),
    "whom a circular has reached": lambda db: told_of(db, 1),
    "letters of circulars": lambda db: tell_of_circulars(db, NOW_US),
    "decisions": lambda db: decisions_of(db, 1, 1),
    "newest decision": lambda db: newest_decision(db, 1),
    "readings of a decision": lambda db: decision_readings(db, 1),
    "standing suspension": lambda db: standing_of(db, 1),
    "standing suspensions": all_standing,
    "suspensions that are due": lambda db: move_suspensions(db, NOW_US),
    "own suspension": lambda db: own_suspension(db, 1, TODAY),
    "papers": lambda db: read_papers(db, 1, lambda _: True),
    "extracts": lambda db: extracts_of(db, 1),
    "requests of extracts": waiting_requests,
    "versions": lambda db: steps_of(db, 1, str),
}


@pytest.fixture(scope="module")
def engine(module_database: str) -> Iterator[sa.Engine]:
    owner = open_engine(module_database, application_name="test")
    with owner.begin() as db:
        put_officer(db)
        registered(db)
    owner.dispose()
    opened = cabinet_engine(module_database)
    yield opened
    opened.dispose()


@pytest.mark.parametrize("name", QUERIES)
def test_a_page_asks_by_an_index(engine: sa.Engine, name: str) -> None:
    asked: list[tuple[str, object]] = []

    def keep(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        asked.append((statement, parameters))

    with engine.connect() as db:
        sa.event.listen(db, "before_cursor_execute", keep)
        QUERIES[name](db)
        sa.event.remove(db, "before_cursor_execute", keep)
        db.exec_driver_sql("SET LOCAL enable_seqscan = off")
        assert asked
        for statement, parameters in asked:
            plan = db.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars().all()  # type: ignore[arg-type]
            assert not [line for line in plan if "Seq Scan" in line], "\n".join(plan)

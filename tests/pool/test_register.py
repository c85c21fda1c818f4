"""The register: names, tokens, states, and workers under a limit."""

import hashlib
import threading

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.database import Role, open_engine
from kench.pool.register import (
    PARTICIPANT_NAME_MAX,
    Change,
    ParticipantNameError,
    State,
    WorkerRefusal,
    add_participant,
    clean_name,
    ensure_worker,
    list_participants,
    remove_participant,
    resume_participant,
    suspend_participant,
    worker_name_allowed,
)


def add(engine: sa.Engine, name: str = "Айыл") -> int:
    with engine.begin() as connection:
        return add_participant(connection, name)[0]


def test_a_new_participant_is_active_and_numbered_from_one(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        first, token = add_participant(connection, "  ОсОО\t«Кен»\x00 ")
        second, other = add_participant(connection, "Second")
        listed = list_participants(connection)
    assert (first, second) == (1, 2)
    assert [(p.name, p.state, p.workers) for p in listed] == [
        ("ОсОО «Кен»", State.ACTIVE, 0),
        ("Second", State.ACTIVE, 0),
    ]
    assert len(bytes.fromhex(token)) == 16
    assert token != other


def test_only_the_hash_of_a_token_is_stored(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        _, token = add_participant(connection, "x", random_bytes=lambda count: b"\xab" * count)
        row = connection.execute(sa.text("SELECT * FROM participant_tokens")).one()._asdict()
    assert token == "ab" * 16
    assert bytes(row.pop("sha256")) == hashlib.sha256(token.encode()).digest()
    assert token not in str(row)


@pytest.mark.parametrize("text", ["", " \t\n", "\x00\x1b\u202e", "x" * (PARTICIPANT_NAME_MAX + 1)])
def test_a_name_with_nothing_to_see_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(ParticipantNameError, match="another NAME"):
        clean_name(text)


@given(st.text(max_size=300))
def test_a_cleaned_name_is_printable_and_cleaning_it_again_changes_nothing(text: str) -> None:
    try:
        name = clean_name(text)
    except ParticipantNameError:
        return
    assert name == name.strip()
    assert all(letter.isprintable() for letter in name)
    assert clean_name(name) == name


@given(st.text(max_size=80))
def test_an_allowed_worker_name_can_be_stored_and_shown(text: str) -> None:
    if worker_name_allowed(text):
        assert 1 <= len(text) <= 64
        assert "\x00" not in text
        text.encode()


def test_states_change_as_the_register_allows(engine: sa.Engine) -> None:
    id_ = add(engine)
    with engine.begin() as connection:
        assert resume_participant(connection, id_) is Change.ALREADY
        assert suspend_participant(connection, id_) is Change.DONE
        assert suspend_participant(connection, id_) is Change.ALREADY
        assert resume_participant(connection, id_) is Change.DONE
        assert suspend_participant(connection, id_) is Change.DONE
        assert remove_participant(connection, id_) is Change.DONE
        assert remove_participant(connection, id_) is Change.ALREADY
        assert resume_participant(connection, id_) is Change.FINAL
        assert suspend_participant(connection, id_) is Change.FINAL
        assert list_participants(connection)[0].state is State.REMOVED


@pytest.mark.parametrize("id_", [0, -1, 99, 2**31, 2**70])
def test_an_id_that_nobody_has_is_unknown(engine: sa.Engine, id_: int) -> None:
    with engine.begin() as connection:
        assert suspend_participant(connection, id_) is Change.UNKNOWN


def test_a_worker_appears_once_and_keeps_its_id(database: str, engine: sa.Engine) -> None:
    id_ = add(engine)
    stratum = open_engine(database, Role.STRATUM, application_name="test")
    with stratum.begin() as connection:
        first = ensure_worker(connection, id_, "rig1", limit=10)
        again = ensure_worker(connection, id_, "rig1", limit=10)
        other = ensure_worker(connection, id_, "Rig1", limit=10)
    stratum.dispose()
    assert first == again == 1
    assert other == 2


def test_workers_are_bounded_but_those_known_stay_welcome(engine: sa.Engine) -> None:
    id_ = add(engine)
    with engine.begin() as connection:
        made = [ensure_worker(connection, id_, f"rig{i}", limit=3) for i in range(4)]
        assert made == [1, 2, 3, WorkerRefusal.LIMIT_REACHED]
        assert ensure_worker(connection, id_, "rig0", limit=3) == 1


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", "a\x00b", "\ud800"])
def test_a_worker_name_that_cannot_be_shown_is_an_outcome(engine: sa.Engine, name: str) -> None:
    id_ = add(engine)
    with engine.begin() as connection:
        assert ensure_worker(connection, id_, name, limit=3) is WorkerRefusal.NAME_REFUSED


def test_only_an_active_participant_gets_new_workers(engine: sa.Engine) -> None:
    id_ = add(engine)
    with engine.begin() as connection:
        suspend_participant(connection, id_)
        assert ensure_worker(connection, id_, "rig", limit=3) is WorkerRefusal.NOT_ACTIVE
        assert ensure_worker(connection, 77, "rig", limit=3) is WorkerRefusal.NOT_ACTIVE


def test_front_ends_that_add_at_once_neither_pass_the_limit_nor_double_a_name(
    engine: sa.Engine,
) -> None:
    id_ = add(engine)
    names = [f"rig{number}" for number in range(8)]
    outcomes: list[int | WorkerRefusal] = []
    gate = threading.Barrier(4)

    def log_in() -> None:
        gate.wait(10)
        for name in names:
            with engine.begin() as connection:
                outcomes.append(ensure_worker(connection, id_, name, limit=5))

    threads = [threading.Thread(target=log_in) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    made = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(outcomes) == 32
    assert len(set(made)) == 5
    assert len(made) == 20
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM workers")) == 5

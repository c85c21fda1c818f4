"""Two participants with people, workers, live numbers and a block, and grants to see them."""

from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.access.grants import Kind, Scope, make_grant
from kench.cabinet.login.people import PeopleRole, add_person
from kench.cabinet.login.persons import know_person
from kench.pool.database import open_engine
from kench.pool.register import add_participant, ensure_worker
from tests.support.pki import PIN, SECOND_PIN
from tests.support.signing import Draw

TECHNICIAN_PIN = "10103199000457"
BLOCK_HASH = "0" * 8 + "ab" * 28
_draw = Draw(2**70)


class Two(NamedTuple):
    """The first has all that follows, of an owner and a technician; the second has an owner."""

    first: int
    second: int
    workers: dict[str, int]


def two_participants(url: str) -> Two:
    """Enter them."""
    engine = open_engine(url, application_name="test")
    with engine.begin() as db:
        first, second = (add_participant(db, name)[0] for name in ("Ала-Тоо", "Нарын"))
        for whose, pin, role in (
            (first, PIN, PeopleRole.OWNER),
            (first, TECHNICIAN_PIN, PeopleRole.TECHNICIAN),
            (second, SECOND_PIN, PeopleRole.OWNER),
        ):
            assert add_person(db, whose, pin, role, added_by=None, now_us=1) is None
        made = {name: ensure_worker(db, first, name, 100) for name in ("rig1", "rig2", "rig3")}
        _numbers(db, first, [made["rig1"], made["rig2"]])
        credit_block(db, first)
    engine.dispose()
    return Two(first, second, {name: int(one) for name, one in made.items()})


def granted(
    db: sa.Connection, whose: int, kind: Kind, *scopes: Scope, now_us: int, days: int = 30
) -> str:
    """Make a grant; return its secret."""
    person = know_person(db, PIN, "Асан Усенов", now_us)
    made = make_grant(
        db, whose, kind, "wall", scopes or tuple(Scope), days,
        made_by=person.id, now_us=now_us, random_bytes=_draw,
    )  # fmt: skip
    assert len(made) == 43
    return made


def _numbers(db: sa.Connection, whose: int, workers: list[int]) -> None:
    db.execute(
        sa.text("""
        INSERT INTO pool_live VALUES (1, now(), 2, 2, 4e12, 4e12, 4e12, 4e12, 1, 0, 0, 0, 0)
    """)
    )
    for worker, age in zip(workers, ("1 minute", "3 hours"), strict=True):
        db.execute(
            sa.text("""
                INSERT INTO worker_live VALUES (:whose, :worker, 1, 2e12, 2e12, 2e12, 2e12,
                    1000, 10, 1, 2, 3, now() - CAST(:age AS interval), 1, now(), 1024, 'miner/1')
            """),
            {"whose": whose, "worker": worker, "age": age},
        )


def credit_block(db: sa.Connection, whose: int) -> None:
    """Enter a block of which that participant has a part."""
    db.execute(sa.text("SET LOCAL session_replication_role = replica"))
    db.execute(
        sa.text("""
            INSERT INTO blocks (hash, height, instance, sequence, job_key, reward_sat, finder,
                found_at, credited, state, attempts)
            VALUES (:hash, 101, 1, 0, 1, 312500000, 'rig1', now(), true, 'pending', 1)
        """),
        {"hash": BLOCK_HASH},
    )
    db.execute(
        sa.text("""
            INSERT INTO block_credits (block_hash, participant_id, work_hashes, reward_sat)
            VALUES (:hash, :whose, 18446744073709551617, 100000001)
        """),
        {"hash": BLOCK_HASH, "whose": whose},
    )
    db.execute(sa.text("SET LOCAL session_replication_role = origin"))

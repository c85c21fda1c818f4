"""How hard blocks were: told once an hour, kept through faults, never made up."""

import pytest
import sqlalchemy as sa

from kench.pool.bitcoin import target_from_bits
from kench.pool.database import Role, open_engine
from kench.pool.work import work_of_target
from kench.stratum.statistics.gathering import HOUR_S
from kench.stratum.statistics.network import STALE_S, WAITING_MAX, NetworkHours

AT_S = 1_800_000_000 // HOUR_S * HOUR_S
EASY, HARD = 0x1702F128, 0x17023A04


def hear(hours: NetworkHours, at_s: float, nbits: int) -> None:
    hours.hear(at_s, nbits, target_from_bits(nbits))


def rows(engine: sa.Engine) -> list[tuple[int, int, int]]:
    query = "SELECT extract(epoch FROM bucket_at)::bigint, nbits, block_work_hashes"
    with engine.connect() as db:
        found = db.execute(sa.text(f"{query} FROM network_hours ORDER BY 1"))
        return [(int(at), nbits, int(work)) for at, nbits, work in found]


def test_an_hour_has_the_first_target_that_was_seen_in_it(database: str, engine: sa.Engine) -> None:
    hours, other = NetworkHours(), NetworkHours()
    as_stratum = open_engine(database, Role.STRATUM, application_name="test")
    hours.note(AT_S)  # nothing was heard yet
    seen = ((hours, 5, EASY), (other, 6, HARD), (hours, 7, HARD), (hours, HOUR_S + 1, HARD))
    for one, after_s, nbits in seen:
        at_s = AT_S + after_s
        hear(one, at_s, nbits)
        one.note(at_s)
        one.write(as_stratum)
    easy, hard = (work_of_target(target_from_bits(one)) for one in (EASY, HARD))
    assert rows(engine) == [(AT_S, EASY, easy), (AT_S + HOUR_S, HARD, hard)]
    with as_stratum.begin() as db, pytest.raises(sa.exc.DBAPIError):
        db.execute(sa.text("UPDATE network_hours SET nbits = 1"))
    as_stratum.dispose()


def test_what_could_not_be_written_waits_within_its_bound(database: str, engine: sa.Engine) -> None:
    hours = NetworkHours()
    nowhere = sa.create_engine("postgresql+psycopg2://kench@127.0.0.1:1/none")
    for number in range(WAITING_MAX + 2):
        hear(hours, AT_S + number * HOUR_S, EASY)
        hours.note(AT_S + number * HOUR_S)
    with pytest.raises(sa.exc.OperationalError):
        hours.write(nowhere)
    there = open_engine(database, Role.STRATUM, application_name="test")
    hours.write(there)
    hours.write(there)
    there.dispose()
    kept = rows(engine)
    assert len(kept) == WAITING_MAX
    assert kept[0][0] == AT_S + 2 * HOUR_S


def test_a_job_of_long_ago_says_nothing_of_now() -> None:
    hours = NetworkHours()
    hear(hours, AT_S, EASY)
    hours.note(AT_S + STALE_S + HOUR_S)
    assert not hours._waiting

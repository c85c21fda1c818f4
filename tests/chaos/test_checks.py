"""The checks after a step can fail: each wrong is seen, and a sound pool has none."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from kench.native import crc32
from kench.payouts.tables import accounts, journal_positions, totals
from kench.payouts.totals import totals_of
from kench.pool.journal import SHARE, Flag
from kench.pool.journal.mark import DurableMark, Mark
from kench.pool.journal.segment import OpenSegment
from tests.chaos import checks
from tests.chaos.checks import Checks, Held, Place
from tests.chaos.miners import Heard
from tests.support.load import ShareKey


class Told:
    """Miners that were told what the test says."""

    def __init__(
        self,
        acknowledged: list[ShareKey],
        unanswered: list[ShareKey],
        refused: list[ShareKey] | None = None,
    ) -> None:
        self.said = Heard(acknowledged, unanswered, refused or [], [])
        self.standing = [b"\1\0\0\0", b"\2\0\0\0"]

    def take(self) -> Heard:
        said, self.said = self.said, Heard([], [], [], [])
        return said

    def living(self) -> list[bytes]:
        return self.standing


def key(nonce: int) -> ShareKey:
    return 7, b"\1\0\0\0", bytes(8), 1_700_000_000, nonce


def records(nonces: list[int], unpaid: Collection[int] = ()) -> Any:
    made = np.zeros(len(nonces), SHARE)
    made["sequence"], made["nonce"] = np.arange(len(nonces)), nonces
    made["job_key"], made["ntime"], made["difficulty"] = 7, 1_700_000_000, 1.0
    made["extranonce1"] = [1, 0, 0, 0]
    made["participant"], made["worker"] = 1, 1
    made["flags"] = [Flag.BLOCK | Flag.UNCREDITED if one in unpaid else 0 for one in nonces]
    for one in made:
        one["crc32"] = crc32(one.tobytes()[4:])
    return made


@pytest.fixture
def pool(tmp_path: Path, database: str, engine: sa.Engine) -> Callable[..., Checks]:
    """A pool whose journal holds these shares, all of them booked."""

    def of(nonces: list[int], booked: int | None = None, unpaid: Collection[int] = ()) -> Checks:
        made = records(nonces, unpaid)
        segment = OpenSegment.create(tmp_path / "0", 0, 0, 0)
        segment.append(b"", made.tobytes())
        mark = DurableMark(tmp_path / "0")
        mark.set(Mark(len(made), 1))
        mark.close()
        segment.close()
        total = totals_of(made)[1, 1]
        with engine.begin() as connection:
            connection.execute(
                sa.insert(journal_positions).values(
                    instance=0, next_sequence=len(made) if booked is None else booked
                )
            )
            row = {"accepted": total.accepted, "work_hashes": total.work_hashes}
            connection.execute(sa.insert(totals).values(participant_id=1, worker_id=1, **row))
        return Checks(Place(tmp_path, database))

    (tmp_path / "0").mkdir()
    return of


def look(pool: Checks, acknowledged: list[int], unanswered: list[int]) -> Held:
    told = Told([key(one) for one in acknowledged], [key(one) for one in unanswered])
    return pool.look(told)


def test_a_sound_pool_has_nothing_wrong(pool: Callable[..., Checks]) -> None:
    held = look(pool([1, 2, 3]), [1, 2], [3, 4])
    assert (held.wrong, held.acknowledged, held.lost, held.beyond) == ((), 2, 0, 1)


def test_an_acknowledged_share_that_comes_into_no_journal_is_lost(
    pool: Callable[..., Checks], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "BOOKED_S", 0.3)
    held = look(pool([1, 2]), [1, 2, 3], [])
    assert held.wrong == (
        "not all is booked after 0 s",
        "1 acknowledged shares are in no journal",
    )
    assert held.lost == 1


def test_a_share_that_nobody_sent_or_that_is_there_twice_is_wrong(
    pool: Callable[..., Checks],
) -> None:
    assert look(pool([1, 2, 2]), [1], []).wrong == (
        "1 shares of journal 0 are in the journals twice",
        "1 shares in the journals were sent by nobody",
    )


def test_a_share_that_was_refused_and_is_paid_is_wrong(pool: Callable[..., Checks]) -> None:
    told = Told([key(1)], [], [key(2), key(3)])
    assert pool([1, 2]).look(told).wrong == ("1 refused shares are in the journals",)


def test_a_refused_share_that_is_kept_for_its_block_is_nobodys_pay(
    pool: Callable[..., Checks],
) -> None:
    told = Told([key(1)], [], [key(2)])
    assert pool([1, 2], unpaid=[2]).look(told).wrong == ()


def test_what_settlement_does_not_book_is_wrong(
    pool: Callable[..., Checks], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "BOOKED_S", 0.3)
    wrong = look(pool([1, 2], booked=1), [1, 2], []).wrong
    assert wrong == ("not all is booked after 0 s", "totals have 2 shares, and 1 were settled")


def test_totals_and_books_that_are_not_what_they_are_made_of_are_wrong(
    pool: Callable[..., Checks], engine: sa.Engine
) -> None:
    made = pool([1, 2])
    with engine.begin() as connection:
        connection.execute(sa.update(totals).values(accepted=3))
        # The database lets nobody do so; a disk may.
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        made_of = sa.update(accounts).where(accounts.c.code == "coinbase")
        connection.execute(made_of.values(debits_posted=5))
    wrong = look(made, [1, 2], []).wrong
    assert any("totals of (1, 1)" in one for one in wrong)
    assert any("is not what its transfers make it" in one for one in wrong)


def test_two_sessions_that_stand_with_one_extranonce_are_wrong(pool: Callable[..., Checks]) -> None:
    told = Told([key(1)], [])
    told.standing = [b"\1\0\0\0", b"\1\0\0\0"]
    assert pool([1]).look(told).wrong == ("extranonce1 01000000 stands in two sessions",)

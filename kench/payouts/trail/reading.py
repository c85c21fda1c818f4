"""Stretches of the chain read from the database, in bounded pieces, and checked.

Every function takes a connection that is in a transaction; of a long stretch all is read as of one
moment when that transaction is repeatable.
"""

from collections.abc import Callable, Collection, Iterator
from datetime import date, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from kench.payouts.trail.anchors import anchors_of_numbers
from kench.payouts.trail.chain import Link, Verified, verify
from kench.payouts.trail.lines import COLUMNS, Head, line_of
from kench.payouts.trail.sealing import read_head
from kench.payouts.trail.tables import acts, trail_anchors, trail_queue, trail_seals
from kench.pool.moments import midnight_us, moment_of

PIECE = 5_000


class Stretch(NamedTuple):
    """Lines `after` + 1 to `until`."""

    after: int
    until: int


_seals = trail_seals.c
_Shown = Callable[[int], None]


def links_of(
    db: sa.Connection, after: int, until: int, show: _Shown = lambda _: None
) -> Iterator[Link]:
    """Yield what the database has of lines `after` + 1 to `until`, by number."""
    while after < until:
        rows = db.execute(
            sa.select(_seals.number, _seals.previous, _seals.hash, *COLUMNS)
            .select_from(trail_seals.outerjoin(acts, acts.c.id == _seals.act_id))
            .where(_seals.number > after, _seals.number <= until)
            .order_by(_seals.number)
            .limit(PIECE)
        ).all()
        if not rows:
            return
        for row in rows:
            line = None if row.id is None else line_of(row, row.number)
            yield Link(row.number, bytes(row.previous), bytes(row.hash), line)
        after = rows[-1].number
        show(after)


def head_at(db: sa.Connection, number: int) -> Head:
    """The chain as it was with that line; its beginning for 0, and where there is no such line."""
    if number:
        found = db.scalar(sa.select(_seals.hash).where(_seals.number == number))
        if found is not None:
            return Head(number, bytes(found))
    return Head()


def verify_stretch(
    db: sa.Connection,
    after: int,
    until: int,
    *,
    key: bytes | None = None,
    show: _Shown = lambda _: None,
) -> Verified:
    """Check lines `after` + 1 to `until`, and the anchors in them."""
    anchors = list(anchors_of_numbers(db, after, until))
    links = links_of(db, after, until, show)
    return verify(links, anchors, begins=head_at(db, after), until=until, key=key)


def verify_all(
    db: sa.Connection,
    *,
    key: bytes | None = None,
    known: Collection[Head] = (),
    show: _Shown = lambda _: None,
) -> Verified:
    """Check the whole chain, every anchor, and that no act stands outside of it."""
    head = read_head(db)
    last = db.scalar(sa.select(sa.func.max(trail_anchors.c.number))) or 0
    found = verify(
        links_of(db, 0, head.number, show), list(anchors_of_numbers(db, 0, max(last, head.number))),
        until=head.number, key=key, known=known,
    )  # fmt: skip
    _add_unsealed(db, found)
    return found


def stretch_of_day(db: sa.Connection, day: date) -> Stretch:
    """The lines between the anchor before a day and the day's own, or the end: after and until."""
    anchors = trail_anchors.c
    after = db.scalar(sa.select(sa.func.max(anchors.number)).where(anchors.day < day)) or 0
    until = db.scalar(sa.select(anchors.number).where(anchors.day == day))
    if until is None:
        until = db.scalar(sa.select(sa.func.min(anchors.number)).where(anchors.day > day))
    return Stretch(after, read_head(db).number if until is None else until)


def stretch_of_days(db: sa.Connection, begins: date, ends: date) -> Stretch:
    """The lines of whole days, `ends` included: after which line, and until which."""
    after, _ = stretch_of_day(db, begins)
    _, until = stretch_of_day(db, ends)
    return Stretch(after, max(after, until))


def verify_day(db: sa.Connection, day: date, *, key: bytes | None = None) -> Verified:
    """Check the lines up to a day's anchor, and that no act of the day stands outside of them."""
    after, until = stretch_of_day(db, day)
    found = verify_stretch(db, after, until, key=key)
    begins, ends = (moment_of(midnight_us(day + timedelta(days=one))) for one in (0, 1))
    _add_unsealed(db, found, acts.c.at >= begins, acts.c.at < ends)
    return found


def _add_unsealed(db: sa.Connection, found: Verified, *where: sa.ColumnElement[bool]) -> None:
    """Name acts that are in no line, and do not wait for one."""
    outside = db.scalars(
        sa.select(acts.c.id)
        .where(
            ~sa.exists().where(_seals.act_id == acts.c.id),
            ~sa.exists().where(trail_queue.c.act_id == acts.c.id),
            *where,
        )
        .order_by(acts.c.id)
    )
    for act_id in outside:
        found.add(f"act {act_id} is in the trail, and was never sealed: it was slipped in")

"""What an address names: it is there, or the answer is 404."""

import sqlalchemy as sa
from starlette.exceptions import HTTPException

from kench.pool.register import participants


def participant_name(db: sa.Connection, number: int) -> str:
    """Return what a participant is called."""
    name = db.scalar(sa.select(participants.c.name).where(participants.c.id == number))
    if name is None:
        raise HTTPException(404)
    return str(name)

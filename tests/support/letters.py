"""Addresses of e-mail in tests: confirmed as their owners do it."""

import sqlalchemy as sa

from kench.cabinet.alerts.addresses import ask_address, find_link, make_link, use_link
from kench.cabinet.alerts.tables import alert_messages, mail_addresses
from kench.cabinet.words.languages import Language
from tests.support.signing import Draw

_DRAW = Draw(2**96)


def confirm_address(
    db: sa.Connection,
    person_id: int,
    address: str,
    now_us: int,
    language: Language = Language.EN,
    *,
    wanted: bool = True,
) -> None:
    """Ask an address, and have its owner say yes; the question is no letter that waits."""
    ask_address(db, person_id, address, language, now_us)
    which = (mail_addresses.c.person_id == person_id) & (mail_addresses.c.address == address)
    number = db.execute(sa.select(mail_addresses.c.id).where(which)).scalar_one()
    asked = sa.update(alert_messages).where(alert_messages.c.address_id == number)
    db.execute(asked.where(alert_messages.c.event == "confirm").values(state="sent"))
    link = find_link(db, make_link(db, number, now_us, _DRAW), now_us)
    assert link is not None
    use_link(db, link, now_us, wanted=wanted)

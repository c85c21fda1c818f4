"""Orders in the pictures: one in force, one that another officer is to sign, and a draft."""

from typing import Any

import sqlalchemy as sa

from kench.cabinet.desk.order_drafts import save_draft
from kench.cabinet.login.persons import know_person
from kench.pool.orders.document import canonical, read_document
from kench.pool.orders.register import propose
from kench.pool.orders.register import sign as sign_order
from tests.support.orders import DEMO_RULES, content_of
from tests.support.registration import NOW_US as REGISTERED_US
from tests.support.registration import OFFICER_PIN, put_officer, verifier_at
from tests.support.signing import SECOND_US, signer

SECOND_OFFICER_PIN = "20911198000312"
HOUR_US = 3600 * SECOND_US
VENUES = [
    {"venue": "first", "address": "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202", "weight": 3},
    {**DEMO_RULES["venues"][0], "venue": "second"},
]
LICENCES = [
    {"venue": "first", "name": "ОсОО «Биринчи биржа»", "number": "VASP-014",
     "from": "2026-01-01", "until": "2027-12-31"},
    {"venue": "second", "name": "ОсОО «Алтын аянтча»", "number": "VASP-022",
     "from": "2026-03-01", "until": "2026-12-20"},
]  # fmt: skip
FIRST = DEMO_RULES | {"venues": [VENUES[1]], "licences": LICENCES}
SECOND = {"payout": {"threshold_tyiyn": 50_000}, "fee": {"pool_ppm": 15_000}}
DRAFT = {
    "reward": {"method": "period"},
    "screening": {"provider": "local", "refuse_over_bp": 6000, "officer_over_bp": 3000},
}


def add_orders(db: sa.Connection) -> None:
    """Enter them."""
    put_officer(db, SECOND_OFFICER_PIN)
    verifier: Any = verifier_at()
    now_us = REGISTERED_US + SECOND_US
    first = _content(1, "Venues, licences and the rules of sale", FIRST, 1, now_us + SECOND_US)
    propose(db, verifier, first, tip_height=0, now_us=now_us)
    for pin in (OFFICER_PIN, SECOND_OFFICER_PIN):
        sign_order(db, verifier, 1, signer(pin).sign(first), tip_height=0, now_us=now_us)
    later_us = REGISTERED_US + 24 * HOUR_US
    second = _content(2, "A lower fee and threshold", SECOND, 900_000, later_us)
    propose(db, verifier, second, tip_height=899_000, now_us=now_us)
    sign_order(db, verifier, 2, signer(OFFICER_PIN).sign(second), tip_height=899_000, now_us=now_us)
    person = know_person(db, OFFICER_PIN, "Гүлнара Эсенова", now_us)
    draft = _content(2, "Rewards by days, stricter screening", DRAFT, 900_000, later_us)
    assert save_draft(db, read_document(draft), person.id, now_us) == 1


def _content(number: int, title: str, rules: dict[str, Any], height: int, moment_us: int) -> bytes:
    content = content_of(number, rules, height=height, moment_us=moment_us)
    return canonical(content | {"title": title, "issued": "2026-11-20"})

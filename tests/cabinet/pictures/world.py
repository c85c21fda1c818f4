"""What the pictures show: a participant who has mined for weeks, and all that can happen to it.

All of it is made up, and the same each time: numbers, moments and names.
"""

import dataclasses
from datetime import date, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from kench.cabinet.access.grants import Kind, Scope
from kench.cabinet.alerts import rules
from kench.cabinet.alerts.addresses import ask_address, make_link
from kench.cabinet.alerts.tables import mail_addresses
from kench.cabinet.inspections.reading import read_risks
from kench.cabinet.inspections.store import plan
from kench.cabinet.login.people import PeopleRole, add_person
from kench.cabinet.login.persons import know_person
from kench.cabinet.login.trail import DONE, TrailEntry, keep_trail
from kench.cabinet.messages.circulars import Circular
from kench.cabinet.messages.store import mark_read
from kench.cabinet.numbers.groups import group_named, move_workers
from kench.cabinet.registration.application import Application
from kench.cabinet.registration.attachments import AttachmentKind
from kench.cabinet.registration.documents import save_draft
from kench.cabinet.registration.notices import Notice
from kench.cabinet.registration.states import NoticeKind
from kench.cabinet.registry.extracts import ask_extract
from kench.cabinet.words.languages import Language
from kench.payouts.income.generate import generate
from kench.payouts.proofs import tables as proofs
from kench.payouts.proofs.making import read_tree
from kench.payouts.proofs.manifest import sign
from kench.payouts.trail.anchors import Anchorer
from kench.payouts.trail.sealing import seal_batch
from kench.pool.database import open_engine
from kench.pool.moments import midnight_us, moment_of
from kench.pool.tokens import TokenRefusal, make_token, revoke_token
from tests.cabinet.money import SETTLED, TECHNICIAN_PIN, fill_money
from tests.cabinet.pictures.orders_world import SECOND_OFFICER_PIN, add_orders
from tests.payouts.proofs.samples import KEY, SALT_SOURCE, signed_manifest
from tests.support.applications import ROW, TODAY, application, attachment, draft
from tests.support.grants import granted
from tests.support.held_lots import add_held_lot
from tests.support.letters import confirm_address
from tests.support.mined import mined
from tests.support.pki import PIN
from tests.support.registration import (
    CALENDAR,
    OFFICER_PIN,
    OTHER_PIN,
    apply,
    barred,
    circular_to,
    extracted,
    inspected,
    message_to,
    notified,
    put_officer,
    registered,
)
from tests.support.reports import MONTHLY, filed, report_made
from tests.support.signing import SECOND_US, Draw

NOW_US = midnight_us(TODAY) + 12 * 3600 * SECOND_US
WORKERS = 60
NEW_PIN, ACCOUNTANT_PIN, APPLICANT_PIN = "11211197800321", "10703198800654", "20406199000987"
NAMES = {
    PIN: "Асан Үсөнов",
    OTHER_PIN: "Айгүл Асанова",
    NEW_PIN: "Жылдыз Маматова",
    TECHNICIAN_PIN: "Бакыт Осмонов",
    ACCOUNTANT_PIN: "Нургүл Токтобаева",
    APPLICANT_PIN: "Талант Кадыров",
    OFFICER_PIN: "Гүлнара Эсенова",
    SECOND_OFFICER_PIN: "Азамат Токоев",
}
SITES = ("Бишкек, Чүй проспектиси, 1", "Нарын, Ленин көчөсү, 14")
OTHER_SITE = "Бишкек, Анкара көчөсү, 12"
SITE_REGIONS = ("KG-GB", "KG-N")
DAY_US = 86_400 * SECOND_US
REGISTERED_BEFORE = timedelta(days=80)
_MOMENTS = {
    "application_events": "at", "applications": "submitted_at", "membership_events": "at",
    "register_entries": "at", "signed_acts": "signed_at", "participants": "created_at",
}  # fmt: skip
_WAVES = """
    UPDATE {level} SET work_hashes = floor(work_hashes * (
        0.9 + 0.06 * sin(extract(epoch FROM bucket_at) / 7000)
            + 0.03 * sin(extract(epoch FROM bucket_at) / 1300))::numeric)
"""
_REFUSALS = sa.text("""
    INSERT INTO refusals (participant_id, worker_id, reason, user_agent, count)
    SELECT 1, id, reason, 'cgminer/4', id % 5 + length(reason) FROM workers,
        unnest(ARRAY['stale', 'duplicate', 'low_difficulty']) AS reason
""")


# Records themselves are another part's: that there are none of these names is no matter here.
_REJECTED = sa.text("""
    SET LOCAL session_replication_role = replica;
    INSERT INTO income_receipts (doc_ref, consumer, status, code, words, xroad_id, at)
    SELECT 'KG-2026-10-' || n || '-2026-10-05-1', 'KG/GOV/10000001/taxes', 'rejected',
        'UNKNOWN-PAYER', 'ИНН табылган жок', '2bd2e1f5-2f4c-4c2a-8a4a-6d1b2f3c4d5e',
        timestamptz '2026-11-09 05:10Z' + n * interval '1 min' FROM generate_series(1, 3) AS n;
    INSERT INTO income_rejection_queue SELECT id FROM income_receipts WHERE id > 1;
    INSERT INTO income_rejection_notes
    SELECT 1, 'Салык төлөөчүнүн номери реестрде оңдолду.', min(id), '2026-11-10 04:00Z'
    FROM persons;
    SET LOCAL session_replication_role = origin;
""")


# The first two have a site in common, and the third mines from where it is not registered.
_ADDRESSES = sa.text("""
    INSERT INTO participant_addresses
    SELECT whose, day, addresses FROM generate_series(date '2026-10-30', '2026-11-22', '1 day')
        AS day, (VALUES (1, date '2026-10-30', ARRAY['192.0.2.7', '2001:db8:4:7::/64']),
            (2, date '2026-11-18', ARRAY['2001:db8:4:7::/64']),
            (3, date '2026-11-14', ARRAY['192.0.2.7', '198.51.100.20']))
            AS one (whose, since, addresses)
    WHERE day >= since
""")
_NETWORK = sa.text("""
    INSERT INTO network_hours SELECT at, 386000000, 2e21
    FROM generate_series(timestamptz '2026-11-06 00:00Z', '2026-11-22 23:00Z', '1 hour') AS at
""")


class World(NamedTuple):
    """What addresses of pages name."""

    worker_id: int
    secret: str
    """Of a watcher's link."""
    block_hash: str
    token_id: int = 1
    mail_key: str = ""
    """Of a link that asks an address."""


def make_world(database: str) -> World:
    """Fill a fresh database."""
    engine = open_engine(database, application_name="pictures")
    with engine.begin() as db:
        put_officer(db)
        registered(db, PIN, _application(PIN, "ОсОО «Кең-Өзөн»", 40, 20))
        registered(db, OTHER_PIN, _application(OTHER_PIN, "ЖИ Асанова Айгүл", 4))
        new = _application(NEW_PIN, "ОсОО «Нарын Хэш»", 12, sites=(OTHER_SITE,))
        registered(db, NEW_PIN, new)
        _shift(db)
    fill_money(engine)
    with engine.begin() as db:
        worker = _mined(db)
        _price(db)
        _sign_block(db)
        made = World(worker, _people(db), SETTLED[0].block_hash, mail_key=_addresses(db))
        _tokens(db)
        _papers(db)
        _reports(db)
        assert generate(db, "2026-10", NOW_US).records
        # It came late: documents are to be corrected.
        rate = "'USD', '2026-10-16', 87.45, 'National Bank of the Kyrgyz Republic', now()"
        db.execute(sa.text(f"INSERT INTO exchange_rates VALUES ({rate})"))
        _trail(db)
        add_orders(db)
        add_held_lot(db, SETTLED[0].block_hash, vout=1, height=900_412, at_us=NOW_US - 2 * DAY_US)
        db.execute(_REJECTED)
        for pin, name in NAMES.items():
            know_person(db, pin, name, NOW_US)
        _seal(db)
    engine.dispose()
    return made


def _seal(db: sa.Connection) -> None:
    """The trail sealed so far, and yesterday's end signed."""
    assert seal_batch(db) is not None
    Anchorer(KEY).turn(db, NOW_US)


def _application(
    pin: str, name: str, *quantities: int, sites: tuple[str, ...] = SITES
) -> Application:
    typed = draft(tax_number=pin, name=name, kind="entity", post="Директор", address=SITES[0])
    typed.attachments.append(attachment(AttachmentKind.AUTHORITY))
    typed.rows = [
        ROW | {"model": "S19j Pro", "quantity": str(quantity), "hashrate": "100", "power": "3050",
               "planned": str(2_200 * quantity), "region": region, "site": site}
        for quantity, region, site in zip(quantities, SITE_REGIONS, sites, strict=False)
    ]  # fmt: skip
    return application(typed, pin)


def _shift(db: sa.Connection) -> None:
    """Let all that happened so far have happened before the first block."""
    db.exec_driver_sql("SET LOCAL session_replication_role = replica")
    for table, column in _MOMENTS.items():
        db.execute(
            sa.text(f"UPDATE {table} SET {column} = {column} - CAST(:before AS interval)"),
            {"before": REGISTERED_BEFORE},
        )
    db.exec_driver_sql("SET LOCAL session_replication_role = origin")


def _mined(db: sa.Connection) -> int:
    """Let participant 1 mine, in two groups named after its sites; return one of its workers."""
    mined(db, 1, workers=WORKERS, now_us=NOW_US)
    for level in ("ten_minutes", "hours", "days"):
        for whose in ("worker", "participant"):
            db.execute(sa.text(_WAVES.format(level=f"{whose}_{level}")))
    db.execute(_REFUSALS)
    workers = list(
        db.scalars(sa.text("SELECT id FROM workers WHERE participant_id = 1 ORDER BY id"))
    )
    for name, part in zip(SITES, (workers[:40], workers[40:]), strict=True):
        group = group_named(db, 1, name)
        assert isinstance(group, int)
        move_workers(db, 1, part, group)
    return int(workers[2])


def _sign_block(db: sa.Connection) -> None:
    """Sign what the first block paid, without a journal."""
    block_hash = SETTLED[0].block_hash
    manifest = signed_manifest(read_tree(db, block_hash, SALT_SOURCE)).manifest
    block = dataclasses.replace(manifest.block, hash=block_hash, height=900_000)
    signed = sign(dataclasses.replace(manifest, block=block), KEY)
    db.execute(
        sa.insert(proofs.manifests).values(
            block_hash=block_hash, content=signed.manifest.content(), signature=signed.signature,
            salt_source=SALT_SOURCE,
        )
    )  # fmt: skip


def _price(db: sa.Connection) -> None:
    """Let what was sold have been sold lately, for a price that a coin may have."""
    db.exec_driver_sql("SET LOCAL session_replication_role = replica")
    db.exec_driver_sql("UPDATE block_credits SET work_hashes = reward_sat * 1e15::numeric")
    db.exec_driver_sql("""
        UPDATE fills SET price = round(gross_tyiyn / 100.0 / (amount_sat / 1e8::numeric), 2),
            at = CAST('2026-11-20 14:05+06' AS timestamptz)
    """)
    db.exec_driver_sql("""
        UPDATE bank_accounts SET holder = name FROM participants WHERE id = participant_id
    """)
    db.exec_driver_sql("SET LOCAL session_replication_role = origin")


def _people(db: sa.Connection) -> str:
    """Give participant 1 people, alerts and grants; return the secret of a watcher's link."""
    owner = know_person(db, PIN, NAMES[PIN], NOW_US)
    for whose, pin, role in (
        (1, TECHNICIAN_PIN, PeopleRole.TECHNICIAN),
        (1, ACCOUNTANT_PIN, PeopleRole.ACCOUNTANT),
        (2, ACCOUNTANT_PIN, PeopleRole.ACCOUNTANT),
    ):
        add_person(db, whose, pin, role, added_by=owner.id, now_us=NOW_US - 40 * DAY_US)
    for new in (
        rules.NewRule(
            rules.Kind.SILENT, 10, rules.Channel.EMAIL, "asan@example.kg", Language.KY, 1320, 450
        ),
        rules.NewRule(
            rules.Kind.LOW, 80, rules.Channel.WEBHOOK, "https://example.com/hooks/kench",
            Language.RU,
        ),
    ):  # fmt: skip
        rules.make_rule(db, 1, new, made_by=owner.id, now_us=NOW_US, random_bytes=Draw(2**71))
    granted(db, 1, Kind.KEY, Scope.HASHRATE, now_us=NOW_US)
    return granted(db, 1, Kind.LINK, now_us=NOW_US)


def _addresses(db: sa.Connection) -> str:
    """Let the owner's address be confirmed, and another be asked; return its link's secret."""
    owner = know_person(db, PIN, NAMES[PIN], NOW_US)
    confirm_address(db, owner.id, "asan@example.kg", NOW_US)
    ask_address(db, owner.id, "kezmet@example.kg", Language.KY, NOW_US)
    asked = sa.select(mail_addresses.c.id).where(mail_addresses.c.address == "kezmet@example.kg")
    return make_link(db, db.execute(asked).scalar_one(), NOW_US, Draw(2**70))


def _tokens(db: sa.Connection) -> None:
    """Give participant 1 tokens: one in use, one revoked, one that nobody has used yet."""
    for age_d, label, pin in ((79, "Нарын", PIN), (60, "Чүй, эски контейнер", TECHNICIAN_PIN),
                              (2, "Бакыт", TECHNICIAN_PIN)):  # fmt: skip
        maker = know_person(db, pin, NAMES[pin], NOW_US).id
        made = make_token(db, 1, label, made_by=maker, at=moment_of(NOW_US - age_d * DAY_US))
        assert not isinstance(made, TokenRefusal), made
    db.execute(sa.text("UPDATE participant_tokens SET used_at = made_at + interval '20 days'"))
    db.execute(sa.text("UPDATE participant_tokens SET used_at = NULL WHERE id = 3"))
    revoke_token(db, 1, 2, revoked_by=maker, at=moment_of(NOW_US - 20 * DAY_US))


def _reports(db: sa.Connection) -> None:
    """Let one month be reported on, and the next be half done; a quarter wait for an officer."""
    for month in ("2026-10", "2026-11"):
        for whose in (1, 2, 3):
            report_made(db, whose, month)
        db.execute(
            sa.text("INSERT INTO report_runs VALUES ('monthly', :month, 3, now(), now())"),
            {"month": month},
        )
    known = {"v-tax_number": PIN, "v-machines": "60", "v-uptime_percent": "98.5"}
    filed(db, 1, MONTHLY | known, now_us=NOW_US - 12 * DAY_US)
    filed(db, 5, MONTHLY | {"v-machines": "3", "n-machines": "Бирөө оңдоодо."}, pin=OTHER_PIN,
          now_us=NOW_US - DAY_US)  # fmt: skip
    quarterly = report_made(db, 1, "2026-Q3", "quarterly")
    filed(db, quarterly, now_us=NOW_US - 2 * DAY_US)


def _trail(db: sa.Connection) -> None:
    """Let the owner have done something, and an officer have looked."""
    owner = know_person(db, PIN, NAMES[PIN], NOW_US)
    for act, subject in (("enter", ""), ("sign", "notice participant 1"), ("leave", "")):
        keep_trail(db, TrailEntry(NOW_US, act, DONE, subject, "192.0.2.7", "", owner.id, None))
    officer = know_person(db, OFFICER_PIN, NAMES[OFFICER_PIN], NOW_US)
    for path in ("applications/1", "participants/1", "notices/1"):
        seen = TrailEntry(NOW_US, "view", DONE, f"/desk/{path}", "192.0.2.8", "", officer.id, None)
        keep_trail(db, seen)


def _papers(db: sa.Connection) -> None:
    """Let a notice wait, an application wait, and a draft be half done."""
    notice = Notice(
        kind=NoticeKind.SUSPENSION, participant=1, day=date(2026, 12, 7), until=date(2026, 12, 21),
        text="Подстанция ремонту.",
    )  # fmt: skip
    notified(db, notice)
    message_to(db, 1, "Эсептегич: паспорту жана көрсөткүчтөрү", "Бешинчи декабрга чейин жибериңиз.")
    text = "Сатуунун жаңы тартиби ушул буйрукта. Машиналардын жөндөөлөрү өзгөрбөйт."
    order = message_to(db, 1, "№ 12 буйрук 1-декабрдан тартып күчүнө кирет", text)
    mark_read(db, order, know_person(db, PIN, NAMES[PIN], NOW_US).id, NOW_US)
    apply(db, APPLICANT_PIN, _application(APPLICANT_PIN, "ОсОО «Ысык-Көл Дата»", 12))
    extracted(db, 1)
    inspected(db, 1, attachment(AttachmentKind.OTHER))
    db.execute(_ADDRESSES)
    db.execute(_NETWORK)
    (risk,) = read_risks(db, moment_of(NOW_US), 1)
    plan(
        db, risk, 10, CALENDAR, know_person(db, OFFICER_PIN, NAMES[OFFICER_PIN], NOW_US).id, NOW_US
    )
    barred(
        db, 2, begins=date(2026, 12, 7), until=date(2026, 12, 21),
        reason="Подстанция ашыкча жүктөлгөн.\nЖүктөм азайганы өлчөө актысы менен тастыкталсын.",
    )  # fmt: skip
    circular = "Кыш мезгилинде электр энергиясын үнөмдөө боюнча жаңы эрежелер кошо берилди."
    circular_to(db, Circular("Кышкы мезгилдеги эрежелер", circular))
    ask_extract(db, 2, know_person(db, OTHER_PIN, NAMES[OTHER_PIN], NOW_US).id, NOW_US)
    person = know_person(db, PIN, NAMES[PIN], NOW_US)
    typed = draft(email="?")
    typed.rows.append(ROW | {"holding": "lease", "quantity": ""})
    save_draft(db, person.id, typed, NOW_US)

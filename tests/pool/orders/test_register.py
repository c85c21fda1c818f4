"""An order is in force when two different officers signed the same bytes, and never otherwise."""

import hashlib
import os
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from asn1crypto import x509 as asn1_x509
from sqlalchemy.exc import DBAPIError

from kench.pool.clock import ManualClock
from kench.pool.database import Role
from kench.pool.moments import moment_of
from kench.pool.orders import tables
from kench.pool.orders.book import OrderLateError, OrderRefusedError
from kench.pool.orders.document import canonical
from kench.pool.orders.officers import (
    OfficerError,
    add_officer,
    end_officer,
    list_officers,
)
from kench.pool.orders.register import (
    OrderSignatureError,
    OrderUnsoundError,
    list_orders,
    load_orders,
    propose,
    sign,
)
from kench.pool.signature.cms import CmsVerifier
from kench.pool.signature.pin import InvalidPinError, read_patterns
from kench.pool.signature.responders import Responders
from kench.pool.signature.trust import Trust
from kench.pool.signature.verifier import SignatureRefusedError
from tests.support.orders import DEMO_RULES, MOMENT_US, content_of
from tests.support.pki import NOW, PATTERNS, PIN, SECOND_PIN, Authority, der, key_of
from tests.support.registers import (
    ACCEPTED_US,
    DAYS,
    accept_orders,
    add_officers,
    authority,
    officers,
    verifier,
)
from tests.support.revocation import Responder, place

FEE = {"fee": {"pool_ppm": 5}}
NEW_PIN = "20505197000789"
TABLES = ("officers", "orders", "order_evidence", "order_signatures", "order_acceptances")


def content(number: int = 1, rules: dict[str, Any] | None = None, height: int = 1) -> bytes:
    return canonical(content_of(number, rules or DEMO_RULES, height=height))


def proposed(connection: sa.Connection, order: bytes | None = None) -> bytes:
    """An order that waits for signatures, in a register with two officers."""
    add_officers(connection)
    order = order or content()
    propose(connection, verifier(), order, tip_height=0, now_us=ACCEPTED_US)
    return order


def signed(connection: sa.Connection, signature: bytes, at_us: int = ACCEPTED_US) -> int:
    """Signatures that are missing after this one."""
    return sign(connection, verifier(), 1, signature, tip_height=0, now_us=at_us).missing


@pytest.fixture
def connection(engine: sa.Engine) -> sa.Connection:
    """A transaction that is never committed; savepoints are taken back around refusals."""
    with engine.connect() as opened:
        yield opened  # type: ignore[misc]


def test_two_officers_accept_an_order_and_one_does_not(connection: sa.Connection) -> None:
    order = proposed(connection)
    one, two = officers()
    assert signed(connection, one.sign(order)) == 1
    assert load_orders(connection, verifier()).newest == 0
    assert signed(connection, two.sign(order)) == 0
    book = load_orders(connection, verifier())
    assert (book.newest, book.fee_at(1).order) == (1, 1)
    assert book.documents[0].content == order
    (entry,) = list_orders(connection)
    assert [pin for pin, _ in entry.signers] == [PIN, SECOND_PIN]
    assert entry.accepted_at == moment_of(ACCEPTED_US)


def test_several_orders_follow_each_other(engine: sa.Engine) -> None:
    accept_orders(engine)
    book = accept_orders(engine, (50, FEE), (60, {"reward": {"method": "period"}}), tip_height=40)
    assert book.newest == 3
    assert [book.fee_at(height).order for height in (49, 50)] == [1, 2]
    assert book.reward_at(60).rule.method == "period"


def test_the_same_person_does_not_sign_twice(connection: sa.Connection) -> None:
    order = proposed(connection)
    one, _ = officers()
    signed(connection, one.sign(order))
    with pytest.raises(OrderSignatureError, match="signed order 1 already: another officer"):
        signed(connection, one.sign(order))
    renewed = authority().person(PIN, key=key_of("renewed"), days=DAYS)
    with pytest.raises(OrderSignatureError, match="already"):
        signed(connection, renewed.sign(order))


def test_who_is_no_officer_in_service_does_not_sign(connection: sa.Connection) -> None:
    order = proposed(connection)
    one, two = officers()
    stranger = authority().person(NEW_PIN, days=DAYS)
    with pytest.raises(OrderSignatureError, match="no officer in service"):
        signed(connection, stranger.sign(order))
    signed(connection, one.sign(order))
    end_officer(connection, PIN, ACCEPTED_US + 1)
    with pytest.raises(OrderSignatureError, match="no officer in service"):
        signed(connection, one.sign(order), ACCEPTED_US + 2)
    # The signature of one who has left since does not count.
    assert signed(connection, two.sign(order), ACCEPTED_US + 2) == 1
    add_officer(connection, NEW_PIN, "Жаны", "deputy", ACCEPTED_US + 3)
    assert signed(connection, stranger.sign(order), ACCEPTED_US + 4) == 0
    assert load_orders(connection, verifier()).newest == 1


def test_a_signature_of_other_bytes_or_another_authority_is_refused(
    connection: sa.Connection,
) -> None:
    order = proposed(connection)
    one, _ = officers()
    with pytest.raises(SignatureRefusedError, match="other bytes"):
        signed(connection, one.sign(order + b" "))
    forger = Authority("Orders Root", key=key_of("forger"))
    with pytest.raises(SignatureRefusedError):
        signed(connection, forger.person(PIN, days=DAYS).sign(order))


def test_what_cannot_follow_is_not_proposed(connection: sa.Connection) -> None:
    proposed(connection)
    for order, said in (
        (content(2, FEE), "must be 1"),
        (content(), "already"),
        (content(height=10**6), "year ahead"),
    ):
        with pytest.raises(OrderRefusedError, match=said):
            propose(connection, verifier(), order, tip_height=0, now_us=ACCEPTED_US)
    with pytest.raises(OrderRefusedError, match="a node must answer"):
        propose(connection, verifier(), content(1, FEE), tip_height=None, now_us=ACCEPTED_US)


def test_an_order_that_was_proposed_again_is_signed_in_its_new_form(
    connection: sa.Connection,
) -> None:
    former = proposed(connection)
    order = proposed(connection, content(1, DEMO_RULES | FEE))
    one, two = officers()
    with pytest.raises(SignatureRefusedError, match="other bytes"):
        signed(connection, one.sign(former))
    signed(connection, one.sign(order))
    signed(connection, two.sign(order))
    assert load_orders(connection, verifier()).fee_at(1).rule.pool_ppm == 5


def test_a_second_signature_that_comes_too_late_does_not_accept(connection: sa.Connection) -> None:
    order = proposed(connection)
    one, two = officers()
    signed(connection, one.sign(order))
    with pytest.raises(OrderLateError, match="already"):
        signed(connection, two.sign(order), MOMENT_US)
    with pytest.raises(OrderLateError, match="height 1"):
        sign(connection, verifier(), 1, two.sign(order), tip_height=1, now_us=ACCEPTED_US)
    assert load_orders(connection, verifier()).newest == 0


def test_what_is_not_there_or_accepted_is_not_signed(connection: sa.Connection) -> None:
    with pytest.raises(OrderSignatureError, match="kench order propose"):
        signed(connection, b"")
    accept_orders(connection)
    with pytest.raises(OrderSignatureError, match="accepted already"):
        signed(connection, b"")


def test_officers_are_entered_and_leave_once(connection: sa.Connection) -> None:
    add_officers(connection)
    with pytest.raises(OfficerError, match="is in service"):
        add_officer(connection, PIN, "x", "y", ACCEPTED_US)
    with pytest.raises(InvalidPinError):
        add_officer(connection, "1", "x", "y", ACCEPTED_US)
    with pytest.raises(OfficerError, match="visible"):
        add_officer(connection, NEW_PIN, "", "y", ACCEPTED_US)
    end_officer(connection, PIN, ACCEPTED_US)
    with pytest.raises(OfficerError, match="no officer"):
        end_officer(connection, PIN, ACCEPTED_US)
    add_officer(connection, PIN, "x", "y", ACCEPTED_US)
    assert [one.ended_at is None for one in list_officers(connection)] == [False, True, True]


LONGER = "content || ' '::bytea"
ANOTHER = "(SELECT max(id) FROM officers)"
IS_CRL = "digest = (SELECT crls[1] FROM order_signatures LIMIT 1)"
UNSOUND = [
    (f"UPDATE orders SET content = {LONGER}, content_sha256 = sha256({LONGER})", "other bytes"),
    ("UPDATE orders SET content = 'x', content_sha256 = sha256('x') WHERE number = 1", "JSON"),
    ("DELETE FROM order_signatures WHERE officer_id = 2", "has 1"),
    (f"UPDATE order_signatures SET officer_id = {ANOTHER} WHERE officer_id = 1", "was made by"),
    ("UPDATE order_signatures SET signature = 'x'", "cannot be read"),
    ("UPDATE order_signatures SET certificate_sha256 = sha256('')", "was made by"),
    ("UPDATE order_signatures SET crls = '{}'", "revocation"),
    ("UPDATE order_signatures SET signed_at = signed_at + interval '1 day'", "or late"),
    (f"UPDATE order_evidence SET content = 'x', digest = sha256('x') WHERE {IS_CRL}", "revocation"),
    ("UPDATE officers SET ended_at = added_at WHERE id = 1", "not in service"),
    ("UPDATE officers SET pin = '10505197000789' WHERE id = 1", "was made by"),
    ("UPDATE order_acceptances SET tip_height = 1", "already"),
    ("UPDATE order_acceptances SET accepted_at = accepted_at + interval '2 hours'", "already"),
    ("UPDATE order_acceptances SET accepted_at = accepted_at - interval '1 day'", "late"),
    ("DELETE FROM order_acceptances WHERE number = 1", "must be 1"),
]  # fmt: skip


def test_whatever_was_changed_past_all_rules_is_found_at_loading(engine: sa.Engine) -> None:
    accept_orders(engine, (1, DEMO_RULES), (50, FEE))
    for statement, said in UNSOUND:
        with engine.connect() as connection:
            # As only the server's superuser can: without triggers and foreign keys.
            connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
            add_officer(connection, NEW_PIN, "Жаны", "deputy", ACCEPTED_US - 1)
            connection.execute(sa.text(statement))
            with pytest.raises(OrderUnsoundError, match=f"not sound.*{said}.*restore a backup"):
                load_orders(connection, verifier())


def test_orders_known_before_are_not_checked_again_but_stay_bound_to_their_bytes(
    engine: sa.Engine,
) -> None:
    book = accept_orders(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL session_replication_role = replica"))
        connection.execute(sa.text("UPDATE order_signatures SET signature = 'x'"))
        assert load_orders(connection, verifier(), book) == book
        connection.execute(sa.text("ALTER TABLE orders DROP CONSTRAINT orders_check"))
        connection.execute(sa.text(f"UPDATE orders SET content = {LONGER}"))
        with pytest.raises(OrderUnsoundError, match="not sound"):
            load_orders(connection, verifier(), book)


WRITES = [
    *(f"UPDATE {table} SET {column} = {column}" for table, column in (
        ("orders", "title"), ("order_evidence", "content"), ("order_signatures", "signature"),
        ("order_acceptances", "tip_height"), ("officers", "name"))),
    *(f"DELETE FROM {table}" for table in TABLES),
    *(f"TRUNCATE {table} CASCADE" for table in TABLES),
    "INSERT INTO officers (pin, name, duty, added_at) VALUES ('10505197000789', 'x', 'y', now())",
    "INSERT INTO orders VALUES (DEFAULT, 2, 'x', 'regtest', 'x', sha256('x'), now())",
    "INSERT INTO order_evidence VALUES (sha256('x'), 'x')",
    "INSERT INTO order_acceptances VALUES (2, 2, now(), 0)",
]  # fmt: skip
"""What the owner may do without harm (the INSERTs), no process may do at all."""
AT_DESK = frozenset(WRITES[-3:])
"""But the cabinet, where officers sign: without their signatures these rows bring nothing about."""


def test_no_role_of_a_process_writes_here_and_each_reads(engine: sa.Engine) -> None:
    accept_orders(engine)
    for role in Role:
        for statement in WRITES:
            if role is Role.CABINET and statement in AT_DESK:
                continue
            with engine.connect() as connection:
                connection.execute(sa.text(f"SET LOCAL ROLE {role}"))
                with pytest.raises(DBAPIError, match=r"permission|must be owner"):
                    connection.execute(sa.text(statement))
        if role is Role.TAX:  # It hands over what is there already, by no order of its own.
            continue
        with engine.connect() as connection:
            connection.execute(sa.text(f"SET LOCAL ROLE {role}"))
            assert load_orders(connection, verifier()).newest == 1


def test_the_cabinet_enters_no_signature_that_nobody_gave_at_its_desk(engine: sa.Engine) -> None:
    accept_orders(engine)
    with engine.connect() as connection:
        connection.execute(sa.text(f"SET LOCAL ROLE {Role.CABINET}"))
        for statement in AT_DESK - {WRITES[-1]}:
            connection.execute(sa.text(statement))
        forged = SIGNED.format(order="(SELECT max(id) FROM orders)", pin=PIN, at="now()")
        with pytest.raises(DBAPIError, match="no signed act"):
            connection.execute(sa.text(forged))


def test_even_the_owner_changes_nothing_by_sql(engine: sa.Engine) -> None:
    accept_orders(engine)
    refused = r"append-only|only the|sha256"
    for statement in (*WRITES[:-4], "INSERT INTO order_evidence VALUES (sha256('x'), 'y')"):
        with engine.connect() as connection, pytest.raises(DBAPIError, match=refused):
            connection.execute(sa.text(statement))


SIGNED = """
INSERT INTO order_signatures
SELECT {order}, officers.id, 'x', sha256('x'), '{{}}', '{{}}', {at}
FROM officers WHERE officers.pin = '{pin}' AND ended_at IS NULL
"""


def enter(
    connection: sa.Connection, number: int, pins: list[str], at_us: int = ACCEPTED_US
) -> None:
    """Accept an order of that number with signatures of these, by plain SQL."""
    now, body = moment_of(at_us), f"order {number} {pins}".encode()
    order_id = connection.execute(
        sa.insert(tables.orders)
        .values(
            number=number, title="x", network="regtest", content=body,
            content_sha256=hashlib.sha256(body).digest(), proposed_at=now,
        )
        .returning(tables.orders.c.id)
    ).scalar_one()  # fmt: skip
    for pin in pins:
        connection.execute(sa.text(SIGNED.format(order=order_id, pin=pin, at=f"'{now}'")))
    connection.execute(
        sa.insert(tables.acceptances).values(
            number=number, order_id=order_id, accepted_at=now, tip_height=0
        )
    )


def test_the_database_itself_holds_the_rule_of_two(engine: sa.Engine) -> None:
    both = [PIN, SECOND_PIN]
    with engine.begin() as connection:
        add_officers(connection)
    for pins, number, said in (
        (both, 2, "not the next"),
        ([], 1, "two officers"),
        ([PIN], 1, "two officers"),
        ([PIN, PIN], 1, "order_signatures_pkey"),
    ):
        with engine.connect() as connection, pytest.raises(DBAPIError, match=said):
            enter(connection, number, pins)
    with engine.begin() as connection:
        enter(connection, 1, both)
    with engine.connect() as connection, pytest.raises(DBAPIError, match="not the next"):
        enter(connection, 1, [])
    with engine.connect() as connection, pytest.raises(DBAPIError, match="before one that was"):
        enter(connection, 2, both, ACCEPTED_US - 1)


def test_the_same_person_entered_twice_is_one(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        order = proposed(connection)
        one, _ = officers()
        signed(connection, one.sign(order))
        end_officer(connection, PIN, ACCEPTED_US + 1)
        add_officer(connection, PIN, "x", "y", ACCEPTED_US + 1)
        with pytest.raises(OrderSignatureError, match="already"):
            signed(connection, one.sign(order), ACCEPTED_US + 2)
        later, after = moment_of(ACCEPTED_US + 2), moment_of(ACCEPTED_US + 3)
        connection.execute(sa.text(SIGNED.format(order=1, pin=PIN, at=f"'{later}'")))
        accept = sa.text(f"INSERT INTO order_acceptances VALUES (1, 1, '{after}', 0)")
        with pytest.raises(DBAPIError, match="two officers"):
            connection.execute(accept)


def test_the_answers_of_responders_are_kept_and_hold_later(engine: sa.Engine) -> None:
    """An order that rests on them must be loaded again when nobody answers any more."""
    root = authority()
    certificate = asn1_x509.Certificate.load(der(root.certificate))
    patterns = read_patterns(PATTERNS)
    with place() as served, engine.begin() as connection:
        served.answer = Responder(root, this=NOW - timedelta(hours=8))
        asking = CmsVerifier(
            Trust((certificate,)), patterns,
            responders=Responders(
                [served.url], clock=ManualClock(ACCEPTED_US), random_bytes=os.urandom
            ),
        )  # fmt: skip
        order = proposed(connection)
        for officer in officers():
            sign(connection, asking, 1, officer.sign(order), tip_height=0, now_us=ACCEPTED_US)
        assert len(served.asked) == 2
        book = load_orders(connection, CmsVerifier(Trust((certificate,)), patterns))
    assert book.newest == 1

"""A bank account follows a notice that its owner signed and an officer entered, nothing else."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, ProgrammingError

from kench.cabinet.numbers.payouts import read_account
from kench.cabinet.registration.accounts import Account, enter_account, read_account_form
from kench.cabinet.registration.bodies import data_of, exclusion_body, notice_body
from kench.cabinet.registration.decisions import Exclusion
from kench.cabinet.registration.entering import exclude
from kench.cabinet.registration.notice_store import enter_notice, notices_of, read_notice_case
from kench.cabinet.registration.notices import Notice
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.registration.states import NoticeKind
from kench.cabinet.signing.wording import Purpose
from kench.payouts.bank.account import BankAccount
from kench.payouts.bank.directory import accounts_in_force, set_account
from tests.support.pki import PIN
from tests.support.registration import NOW_US, OFFICER_PIN, OTHER_PIN, notified, registered, sign
from tests.support.signing import SECOND_US

PATTERN = "[0-9]{16}"
FORM = {"holder": "Асан  Усенов", "account_number": "1090 0000 0000 0001", "bank_code": "demikg22",
        "threshold": "250"}  # fmt: skip
ACCOUNT = Account("Асан Усенов", "1090000000000001", "DEMIKG22", 25_000)


def of(participant: int, account: Account = ACCOUNT) -> Notice:
    return Notice(kind=NoticeKind.ACCOUNT, participant=participant, account=account)


def officer(db: sa.Connection) -> int:
    return sign(db, Purpose.DECISION, "x", OFFICER_PIN).person.id


def test_a_form_is_read_as_payouts_read_accounts() -> None:
    assert read_account_form(FORM, PATTERN) == (ACCOUNT, [])
    assert read_account_form(FORM | {"threshold": ""}, PATTERN)[0] == Account(*_three(ACCOUNT))
    for field, typed in (("holder", " "), ("holder", "x" * 141), ("account_number", "109"),
                         ("bank_code", "1090181"), ("threshold", "0")):  # fmt: skip
        made, gaps = read_account_form(FORM | {field: typed}, PATTERN)
        assert made is None
        assert [gap.field for gap in gaps] == [field]


def _three(account: Account) -> tuple[str, str, str]:
    return account.holder, account.number, account.bank


def test_an_account_is_signed_whole_and_what_was_signed_before_it_came_is_read_too() -> None:
    body = notice_body(of(7), "Асан", str)
    assert "Account number: 1090000000000001" in body
    assert "Least payout by my wish, som: 250" in body
    assert data_of(body.encode(), Notice) == of(7)
    former = notice_body(Notice(kind=NoticeKind.EXIT, participant=7), "x", str)
    assert former.endswith(',"account":null}')
    read = data_of((former.removesuffix(',"account":null}') + "}").encode(), Notice)
    assert read == Notice(kind=NoticeKind.EXIT, participant=7)


def test_payouts_go_there_when_an_officer_has_entered_it_and_the_one_before_is_kept(
    cabinet: sa.Engine, engine: sa.Engine
) -> None:
    with cabinet.begin() as db:
        participant = registered(db)
    before = BankAccount("x", "1" * 16, "109018")
    with engine.begin() as db:
        set_account(db, participant, before, None, datetime(2026, 1, 1, tzinfo=UTC))
    with cabinet.begin() as db:
        number = notified(db, of(participant))
        with pytest.raises(ActRefusedError, match="waits already"):
            notified(db, of(participant))
        assert accounts_in_force(db)[participant].account == before
        enter_notice(db, number, officer(db), NOW_US + 9 * SECOND_US)
        kept = accounts_in_force(db)[participant]
        assert (kept.version, kept.threshold_tyiyn) == (2, 25_000)
        assert kept.account == BankAccount(*_three(ACCOUNT))
        shown = read_account(db, participant)
        assert shown is not None
        assert (shown.number, shown.notice_id) == ("•••• 0001", number)
        assert shown.entered_by
        case = read_notice_case(db, number)
        assert case is not None
        assert case.state == "done"
        versions = db.scalar(sa.text("SELECT count(*) FROM bank_accounts"))
        assert versions == 2


def test_an_officer_who_is_the_owner_enters_no_account_of_their_own(cabinet: sa.Engine) -> None:
    with cabinet.begin() as db:
        participant = registered(db)
        number = notified(db, of(participant))
        own = sign(db, Purpose.DECISION, "x", PIN).person.id
        with pytest.raises(ActRefusedError, match="of their own"):
            enter_notice(db, number, own, NOW_US)


def test_who_has_been_excluded_is_still_paid_to_the_account_of_their_notice(
    cabinet: sa.Engine,
) -> None:
    with cabinet.begin() as db:
        participant = registered(db)
        number = notified(db, of(participant))
        body = exclusion_body(Exclusion(participant, "Clause 36.3."), "x", str)
        exclude(db, sign(db, Purpose.EXCLUSION, body, OFFICER_PIN, now_us=NOW_US + 5 * SECOND_US))
        assert [one.state for one in notices_of(db, participant)] == ["waiting"]
        enter_notice(db, number, officer(db), NOW_US + 9 * SECOND_US)
        notified(db, of(participant))
        assert accounts_in_force(db)[participant].account.number == ACCOUNT.number


def test_the_cabinet_can_write_no_account_that_nobody_signed(cabinet: sa.Engine) -> None:
    """Whatever its code does: PostgreSQL reads the signed bytes itself."""
    with cabinet.begin() as db:
        participant, other = registered(db), registered(db, OTHER_PIN)
        number, who = notified(db, of(participant)), officer(db)
        owner = sign(db, Purpose.DECISION, "x", PIN).person.id

    def refused(
        kind: type[Exception], whose: int, account: Account, entered_by: int, notice: int | None
    ) -> None:
        with cabinet.begin() as db, pytest.raises(kind):
            enter_account(
                db, whose, account, notice_id=notice, entered_by=entered_by, now_us=NOW_US
            )  # type: ignore[arg-type]

    refused(IntegrityError, participant, ACCOUNT, who, number)  # not entered yet
    with cabinet.connect() as db, db.begin():
        db.execute(sa.text(
            "INSERT INTO notice_events (notice_id, act, state, at, person_id) "
            "VALUES (:n, 'enter', 'done', now(), :who)"), {"n": number, "who": who})  # fmt: skip
    refused(IntegrityError, participant, Account("y", *_three(ACCOUNT)[1:], 25_000), who, number)
    refused(IntegrityError, participant, Account(*_three(ACCOUNT)), who, number)
    refused(IntegrityError, other, ACCOUNT, who, number)
    refused(IntegrityError, participant, ACCOUNT, owner, number)
    refused(ProgrammingError, participant, ACCOUNT, who, None)
    with cabinet.begin() as db:
        enter_account(db, participant, ACCOUNT, notice_id=number, entered_by=who, now_us=NOW_US)
    refused(IntegrityError, participant, ACCOUNT, who, number)  # one notice, one version

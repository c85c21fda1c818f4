"""Nothing goes to an address but a bounded number of links, until its owner has said yes."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from kench.cabinet.alerts.addresses import (
    ADDRESS_MAX,
    DAY_US,
    LINK_US,
    PERSON_MAX,
    AddressState,
    Asked,
    ask_address,
    find_link,
    forget_links,
    make_link,
    state_of_address,
    use_link,
)
from kench.cabinet.alerts.letters import Letter, write_to_applicant
from kench.cabinet.alerts.outbox import take_due
from kench.cabinet.login.persons import know_person
from kench.cabinet.words.languages import Language
from tests.support.letters import confirm_address
from tests.support.pki import PIN, SECOND_PIN
from tests.support.signing import Draw, cabinet_engine

NOW_US = 1_900_000_000_000_000
ADDRESS = "asan@example.kg"


@pytest.fixture
def db(database: str) -> Iterator[sa.Connection]:
    """With the rights of the cabinet."""
    engine = cabinet_engine(database)
    with engine.begin() as opened:
        yield opened
    engine.dispose()


def person(db: sa.Connection, pin: str = PIN) -> int:
    return know_person(db, pin, "Асан Усенов", NOW_US).id


def ask(db: sa.Connection, who: int, address: str = ADDRESS, now_us: int = NOW_US) -> Asked:
    return ask_address(db, who, address, Language.RU, now_us)


def write(db: sa.Connection, who: int, number: int = 7) -> bool:
    return write_to_applicant(
        db, who, ADDRESS, Letter.DECIDED, "/applications/7", now_us=NOW_US, number=number
    )


def test_nothing_is_written_to_an_address_before_its_owner_says_yes(db: sa.Connection) -> None:
    who = person(db)
    assert not write(db, who)
    assert ask(db, who) is Asked.SENT
    assert not write(db, who)
    assert [one.event for one in take_due(db, NOW_US)] == ["confirm"]
    number = db.execute(sa.text("SELECT id FROM mail_addresses")).scalar_one()
    link = find_link(db, make_link(db, number, NOW_US, Draw(1)), NOW_US)
    assert link is not None
    assert link.address == ADDRESS
    use_link(db, link, NOW_US, wanted=True)
    assert ask(db, who) is Asked.CONFIRMED
    assert write(db, who)
    assert write(db, who)  # of one thing it is told once
    (letter,) = take_due(db, NOW_US)
    assert (letter.target, letter.path) == (ADDRESS, "/applications/7")
    assert letter.message.title == "Есть решение по заявлению 7"
    assert not write(db, person(db, SECOND_PIN))  # nobody else has it confirmed


def test_a_link_lives_a_day_is_used_once_and_is_kept_as_a_digest(db: sa.Connection) -> None:
    who = person(db)
    ask(db, who)
    number = db.execute(sa.text("SELECT id FROM mail_addresses")).scalar_one()
    secret = make_link(db, number, NOW_US, Draw(1))
    kept = db.execute(sa.text("SELECT secret_sha256 FROM mail_links")).scalar_one()
    assert bytes.fromhex(secret) != bytes(kept)
    assert find_link(db, secret, NOW_US + LINK_US - 1) is not None
    assert find_link(db, secret, NOW_US + LINK_US) is None
    assert find_link(db, "0" * 64, NOW_US) is None
    link = find_link(db, secret, NOW_US)
    assert link is not None
    use_link(db, link, NOW_US, wanted=True)
    assert find_link(db, secret, NOW_US) is None
    assert forget_links(db, NOW_US + LINK_US) == 0
    assert forget_links(db, NOW_US + LINK_US + 1) == 1


def test_who_wants_no_letters_gets_none_and_is_asked_no_more(db: sa.Connection) -> None:
    who = person(db)
    confirm_address(db, who, ADDRESS, NOW_US)
    write(db, who)
    confirm_address(db, who, "other@example.kg", NOW_US, wanted=False)
    assert ask(db, who, "other@example.kg") is Asked.REFUSED
    assert state_of_address(db, who, "other@example.kg") is AddressState.REFUSED
    number = db.execute(
        sa.text("SELECT id FROM mail_addresses WHERE address = :a"), {"a": ADDRESS}
    ).scalar_one()
    link = find_link(db, make_link(db, number, NOW_US, Draw(1)), NOW_US)
    assert link is not None
    use_link(db, link, NOW_US, wanted=False)
    assert take_due(db, NOW_US) == []
    assert not write(db, who, 8)


def test_links_are_bounded_by_person_and_by_address_a_day(db: sa.Connection) -> None:
    people = [person(db, f"1010{number}99000456") for number in range(10, 15)]
    asked = [ask(db, who) for who in people]
    assert asked == [Asked.SENT] * ADDRESS_MAX + [Asked.TOO_MANY] * (5 - ADDRESS_MAX)
    assert ask(db, people[-1], ADDRESS.upper()) is Asked.TOO_MANY
    assert ask(db, people[-1], now_us=NOW_US + DAY_US) is Asked.SENT
    who = person(db, "10209199000456")
    asked = [ask(db, who, f"a{number}@example.kg") for number in range(PERSON_MAX + 1)]
    assert asked.count(Asked.SENT) == PERSON_MAX
    assert asked[-1] is Asked.TOO_MANY


@pytest.mark.parametrize(
    "address", ["", "asan", "a@b", "a b@example.kg", "a@example.kg\nBcc: b@c.kg"]
)
def test_what_is_no_plain_address_is_never_asked(db: sa.Connection, address: str) -> None:
    assert ask(db, person(db), address) is Asked.UNFIT

"""A made-up month: income records of a few participants, closed by two officers of the demo."""

import hashlib
from collections.abc import Iterator
from datetime import date, timedelta

import sqlalchemy as sa

from kench.payouts.income.periods import (
    Kind,
    PeriodAct,
    digest_of_period,
    keep_period_act,
    summary_of,
)
from kench.payouts.income.record import (
    TRADE_PRICE,
    Accrual,
    Facts,
    Payout,
    Record,
    Reference,
    Sale,
    Taxpayer,
    make_record,
)
from kench.payouts.income.writing import write_records
from kench.pki.authority import Authority
from kench.pki.people import Duty, Holder
from kench.pki.people import Kind as KeyKind
from kench.pool.clock import Clock
from kench.pool.moments import midnight_us, moment_of, moment_text

PARTICIPANTS, DAYS = 12, 28
FIRST_DAY = date(2026, 10, 1)
PERIOD = "2026-10"
PART_SAT = 1_250_000
PRICE_KGS = 8_000_000
VENUE_PPM, POOL_PPM = 1_500, 20_000
OFFICERS = (("Demo Officer One", "10101190000001"), ("Demo Officer Two", "20101190000002"))
_HOUR_US = 3_600_000_000
_SIGN = sa.text("""
    INSERT INTO signed_acts (request_id, purpose, subject, person_id, content, content_sha256,
        signature, certificate_sha256, certificates, crls, ocsps, signed_at)
    VALUES (:request, 'period', :period, :person, :content, sha256(:content), :signature,
        sha256(:certificate), ARRAY[sha256(:certificate), sha256(:root)], ARRAY[sha256(:crl)],
        '{}', :at) RETURNING id
""")
_KEEP = sa.text(
    "INSERT INTO act_evidence VALUES (sha256(:content), :content) ON CONFLICT DO NOTHING"
)


def make_month(db: sa.Connection, authority: Authority, clock: Clock) -> int:
    """Write the month and close it; return how many records it has. As the schema's owner."""
    now = moment_of(clock.now_us())
    count = write_records(db, _records(), now)
    officers = [
        authority.issue(name, pin, kind=KeyKind.EC, duty=Duty.OFFICER) for name, pin in OFFICERS
    ]
    summary = summary_of(db, PERIOD)
    digest = digest_of_period(db, PERIOD).hex()
    closing = PeriodAct(
        PERIOD, 1, Kind.CLOSED, digest, summary.records, summary.participants, summary.totals
    )
    signed = [_sign(db, authority, officer, closing, clock) for officer in officers]
    keep_period_act(db, closing, signed, now)
    return count


def _records() -> Iterator[Record]:
    for number in range(DAYS):
        day = FIRST_DAY + timedelta(days=number)
        for who in range(1, PARTICIPANTS + 1):
            yield _record(who, day)


def _record(who: int, day: date) -> Record:
    at = moment_text(midnight_us(day) + 4 * _HOUR_US)
    block = hashlib.sha256(f"block {day}".encode()).hexdigest()
    amount = PART_SAT + who
    gross = amount * PRICE_KGS * 100 // 100_000_000
    venue, pool = gross * VENUE_PPM // 1_000_000, gross * POOL_PPM // 1_000_000
    net = gross - venue - pool
    facts = Facts(
        accruals=(
            Accrual(
                block, 900_000 + day.toordinal() % 1000, block[::-1], at, at, amount,
                str(10**15 * who), str(10**17), 1, _name("accrued", who, day),
            ),
        ),
        sales=(
            Sale(
                f"{block}:0", "paper", "demo", at, amount, str(PRICE_KGS), gross, venue, pool, net,
                TRADE_PRICE, (_name("trade", 0, day)[:12],), None, (_name("sold", who, day),),
            ),
        ),
        payouts=(Payout(f"D{day:%y%m%d}{who}", at, net, "payout", _name("paid", who, day)),),
    )  # fmt: skip
    whose = Taxpayer(who, f"{2_050_319_850_000 + who:014d}", f"ОсОО «Демо № {who}»", f"М-{who}")
    return make_record(Reference(PERIOD, who, day.isoformat(), 1), whose, facts)


def _name(what: str, who: int, day: date) -> str:
    return hashlib.sha256(f"{what} {who} {day}".encode()).hexdigest()


def _sign(
    db: sa.Connection, authority: Authority, officer: Holder, closing: PeriodAct, clock: Clock
) -> int:
    """Have an officer sign; return the number of the act."""
    now = moment_of(clock.now_us())
    values = {"pin": officer.pin, "name": officer.name, "at": now - timedelta(seconds=1)}
    db.execute(
        sa.text("INSERT INTO officers (pin, name, duty, added_at) VALUES (:pin, :name, 'x', :at)"),
        values,
    )
    person = db.execute(
        sa.text("INSERT INTO persons (pin, name, first_at) VALUES (:pin, :name, :at) RETURNING id"),
        values,
    ).scalar_one()
    text = f"Demo: period {closing.period} is closed.\n\n".encode() + closing.content() + b"\n"
    evidence = {
        "certificate": _der(officer.certificate_path.read_bytes()),
        "root": _der(authority.folder.joinpath("root.pem").read_bytes()),
        "crl": _der(authority.folder.joinpath("crl.pem").read_bytes()),
    }
    db.execute(_KEEP, [{"content": content} for content in evidence.values()])
    made: int = db.execute(
        _SIGN,
        {
            "request": hashlib.sha256(officer.pin.encode()).hexdigest()[:32],
            "period": closing.period,
            "person": person,
            "content": text,
            "signature": officer.sign(text),
            "at": now,
            **evidence,
        },
    ).scalar_one()
    return made


def _der(pem: bytes) -> bytes:
    from asn1crypto.pem import unarmor  # noqa: PLC0415 - once, for a demonstration

    return bytes(unarmor(pem)[2])

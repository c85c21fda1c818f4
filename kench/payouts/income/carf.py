"""A period as OECD CARF XML (version 1.5): mining income and sales of each participant, summed up.

One message for a period: each participant is a crypto user with what was transferred in as mining
income (CARF503), at the proceeds of what was sold of it, and what was sold for som (CryptoFiatOut).
Off the main network all documents are marked as test data. Participants without a tax number are
marked so. A document that was sent is corrected or deleted by another that names it, in a message
that has no new ones. The schema itself is the OECD's: a setting names the file that the message is
held to.
"""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import IO, NamedTuple
from xml.etree import ElementTree as ET  # written here, and never read

import xmlschema

from kench.payouts.income.errors import IncomeError
from kench.pool.moments import BISHKEK

CARF, STF = "urn:oecd:ties:carf:v1", "urn:oecd:ties:carfstf:v5"
VERSION, COUNTRY, CURRENCY, ASSET = "1.5", "KG", "KGS", "BTC"
MINING, ESTIMATE = "CARF503", "CARF1004"
MAIN_NETWORK = "main"
NAME_MAX = 200
_OPENING = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    f'<carf:CARF_OECD xmlns:carf="{CARF}" xmlns:stf="{STF}" version="{VERSION}">'
).encode()
ET.register_namespace("carf", CARF)
ET.register_namespace("stf", STF)
SATOSHI, TYIYN = Decimal(10) ** 8, Decimal(100)


class CarfError(IncomeError):
    """The message cannot be made, or is not what the schema asks for."""


class Reporter(NamedTuple):
    """Who reports: the operator of the state system."""

    name: str
    tax_number: str | None
    address: str


class User(NamedTuple):
    """A participant and what its records of the period sum to."""

    participant_id: int
    name: str | None
    tax_number: str | None
    kind: str | None
    address: str | None
    accruals: int
    accrued_sat: int
    sales: int
    sold_sat: int
    gross_tyiyn: int


class Content(StrEnum):
    """What a message holds (MessageTypeIndic): new documents alone, or none but changes."""

    NEW = "CARF701"
    CHANGES = "CARF702"
    NONE = "CARF703"


class Fate(Enum):
    """What a document is to the one that was sent before (the last digit of DocTypeIndic)."""

    RESENT = 0
    NEW = 1
    CORRECTED = 2
    DELETED = 3


class Message(NamedTuple):
    """What a message is about."""

    period: str
    last_day: date
    network: str
    made_at: datetime
    edition: str
    """Of a period's messages each has its own: its closing's, or a draft's."""
    part: str = ""
    """What tells two messages of an edition apart; their documents are told apart as they are."""
    content: Content = Content.NEW
    first_edition: str | None = None
    """The edition in which the reporter's own document was sent; None: in this one."""

    def reference(self, edition: str | None = None) -> str:
        """Unique in time and space: country, year, country, then our own."""
        return f"{COUNTRY}{self.period[:4]}{COUNTRY}-KENCH-{self.period}-{edition or self.edition}"

    def indicator(self, fate: Fate) -> str:
        """Of real or of test data."""
        return f"OECD{fate.value if self.network == MAIN_NETWORK else 10 + fate.value}"


class Document(NamedTuple):
    """A participant in a message, and the edition that told of it before, if it is a change."""

    user: User
    fate: Fate = Fate.NEW
    told_in: str | None = None


def write_carf(
    file: IO[bytes], message: Message, reporter: Reporter, documents: Iterable[Document]
) -> int:
    """Write the message, a participant at a time; returns how many it has."""
    written = 0
    found = iter(documents)
    first = next(found, None)
    file.write(_OPENING)
    file.write(ET.tostring(_message_spec(message, empty=first is None)))
    file.write(b"<carf:CARFBody>")
    file.write(ET.tostring(_rcasp(message, reporter)))
    while first is not None:
        file.write(ET.tostring(_user(message, first)))
        written += 1
        first = next(found, None)
    file.write(b"</carf:CARFBody></carf:CARF_OECD>\n")
    return written


def check_carf(path: Path, schema: Path) -> None:
    """Hold a message to the OECD's schema; raises CarfError, which names the setting."""
    try:
        known = xmlschema.XMLSchema(str(schema), allow="sandbox", defuse="always")
        fault = next(known.iter_errors(str(path)), None)
    except (OSError, xmlschema.XMLSchemaException, ET.ParseError) as error:
        raise CarfError(
            f"the schema that KENCH_INCOME_CARF_SCHEMA names ({schema}) cannot be used: "
            f"{str(error).splitlines()[0]}"
        ) from error
    if fault is not None:
        raise CarfError(
            f"the CARF message is not what KENCH_INCOME_CARF_SCHEMA asks for: {fault.reason} at "
            f"{fault.path}"
        )


def _message_spec(message: Message, *, empty: bool) -> ET.Element:
    spec = _element("MessageSpec")
    _add(spec, "TransmittingCountry", COUNTRY)
    _add(spec, "ReceivingCountry", COUNTRY)
    _add(spec, "MessageType", "CARF")
    _add(spec, "MessageRefId", message.reference() + message.part)
    _add(spec, "MessageTypeIndic", Content.NONE if empty else message.content)
    _add(spec, "ReportingPeriod", message.last_day.isoformat())
    made = message.made_at.astimezone(BISHKEK).replace(tzinfo=None, microsecond=0)
    _add(spec, "Timestamp", made.isoformat())
    return spec


def _rcasp(message: Message, reporter: Reporter) -> ET.Element:
    rcasp = _element("RCASP")
    entity = _add(_add(rcasp, "RCASP_ID"), "Entity")
    _party(entity, reporter.tax_number)
    _add(entity, "Name", reporter.name[:NAME_MAX])
    _address(entity, reporter.address)
    fate = Fate.NEW if message.first_edition is None else Fate.RESENT
    _doc_spec(rcasp, message.indicator(fate), f"{message.reference(message.first_edition)}-RCASP")
    return rcasp


def _user(message: Message, document: Document) -> ET.Element:
    user = document.user
    one = _element("CryptoUsers")
    identity = _add(one, "UserID")
    name = (user.name or f"participant {user.participant_id}")[:NAME_MAX]
    born = _birth_date(user.tax_number) if user.kind in {"person", "trader"} else None
    if born is None:
        entity = _add(identity, "Entity")
        _party(entity, user.tax_number)
        _add(entity, "Name", name)
        _address(entity, user.address)
    else:
        person = _add(identity, "Individual")
        _party(person, user.tax_number)
        # The register has a person's name as the passport does: the surname first.
        last, _, first = name.partition(" ")
        names = _add(person, "Name")
        _add(names, "FirstName", first or last)
        _add(names, "LastName", last)
        _address(person, user.address)
        _add(_add(person, "BirthInfo"), "BirthDate", born.isoformat())
    transactions = _add(one, "RelevantTransactions")
    _add(transactions, "CryptoAsset", ASSET)
    if user.sales:
        sold = _add(transactions, "CryptoFiatOut")
        _sums(sold, user.sales, user.gross_tyiyn, user.sold_sat)
    if user.accruals:
        mined = _add(transactions, "CryptoTransferIn")
        _add(mined, "TransferType", MINING)
        worth = user.gross_tyiyn * user.accrued_sat // user.sold_sat if user.sold_sat else 0
        _sums(mined, user.accruals, worth, user.accrued_sat)
        # Valued at what the participant's own coins brought in the period.
        _add(mined, "AltValuation", ESTIMATE)
    before = document.told_in
    _doc_spec(
        one,
        message.indicator(document.fate),
        f"{message.reference()}-{user.participant_id}",
        f"{message.reference(before)}-{user.participant_id}" if before else None,
    )
    return one


def _party(party: ET.Element, tax_number: str | None) -> None:
    _add(party, "ResCountryCode", COUNTRY)
    number = _add(party, "TIN", tax_number or "NOTIN")
    number.set("issuedBy", COUNTRY)
    if not tax_number:
        number.set("unknown", "true")


def _address(party: ET.Element, text: str | None) -> None:
    address = _add(party, "Address")
    _add(address, "CountryCode", COUNTRY)
    _add(address, "AddressFree", (text or COUNTRY)[:4000])


def _sums(parent: ET.Element, count: int, tyiyn: int, sat: int) -> None:
    _add(parent, "NumberofTransactions", str(count))
    _add(parent, "Amount", f"{Decimal(tyiyn) / TYIYN:.2f}").set("currCode", CURRENCY)
    _add(parent, "NumberofUnits", f"{Decimal(sat) / SATOSHI:.8f}")


def _doc_spec(
    parent: ET.Element, indicator: str, reference: str, corrects: str | None = None
) -> None:
    spec = _add(parent, "DocSpec")
    told = (("DocTypeIndic", indicator), ("DocRefId", reference), ("CorrDocRefId", corrects))
    for tag, text in told:
        if text is not None:
            ET.SubElement(spec, f"{{{STF}}}{tag}").text = text


def _birth_date(pin: str | None) -> date | None:
    """Read a personal number: sex, day, month, year of birth, then others."""
    if pin is None or len(pin) != len("00000000000000") or not pin.isdigit():
        return None
    try:
        return date(int(pin[5:9]), int(pin[3:5]), int(pin[1:3]))
    except ValueError:
        return None


def _carf(tag: str) -> str:
    return f"{{{CARF}}}{tag}"


def _element(tag: str) -> ET.Element:
    return ET.Element(_carf(tag))


def _add(parent: ET.Element, tag: str, text: str | None = None) -> ET.Element:
    added = ET.SubElement(parent, _carf(tag))
    added.text = text
    return added

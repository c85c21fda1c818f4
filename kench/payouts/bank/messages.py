"""What a bank's files say: camt.053 and camt.054 as entries, pain.002 as statuses. Pure.

Versions differ in little; what is read here is where all of them have it. A file that contradicts
itself is refused whole; an entry that cannot be understood has no amount and books nothing.
"""

import enum
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import NoReturn

from kench.payouts.bank.xml import Node, read_xml
from kench.pool.errors import KenchError

_NAMESPACE = re.compile(
    r"urn:iso:std:iso:20022:tech:xsd:(camt\.053|camt\.054|pain\.002)\.001\.[0-9]{2}"
)
_ROOTS = {
    "camt.053": "BkToCstmrStmt/Stmt",
    "camt.054": "BkToCstmrDbtCdtNtfctn/Ntfctn",
    "pain.002": "CstmrPmtStsRpt",
}
_NUMBER = re.compile(r"[0-9]{1,18}")
_AMOUNT = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,5}))?")
TEXT_MAX = 500
CURRENCY = "KGS"
"""Of the clients' account, and of every payout."""
NOT_PROVIDED = "NOTPROVIDED"
"""What ISO 20022 has banks write where an identification must stand and there is none."""


class BankFileError(KenchError):
    """A file of the bank that is none of those we read, or contradicts itself."""


class Direction(enum.StrEnum):
    """Whether money came or went."""

    CREDIT = "credit"
    DEBIT = "debit"


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement on our account, or of a payment within a booking of several."""

    direction: Direction
    reference: str
    """The bank's own for it; empty where it gave none."""
    end_to_end_id: str
    amount_tyiyn: int | None
    """None where the file does not say what it was, or says it in two ways."""
    currency: str
    is_booked: bool
    is_return: bool
    reason: str
    booked_date: str
    counterparty: str
    """Number of the other account."""
    batch_id: str = ""
    """Our name of a batch that is booked in one sum; empty where the bank gave none."""
    is_sum: bool = False
    """Whether it tells of no payment by itself: it may be that of many."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the bank says of a payment that we ordered; without its id, of a whole message."""

    message_id: str
    end_to_end_id: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Balances:
    """What a statement, or a page of one, says of the account as a whole."""

    number: int | None
    opening_tyiyn: int | None
    closing_tyiyn: int | None
    closing_date: str | None
    """Day at whose end the account had the closing balance."""


@dataclass(frozen=True, slots=True)
class Message:
    """A file of the bank."""

    kind: str
    id: str
    sha256: bytes
    account: str
    entries: tuple[Entry, ...] = ()
    statuses: tuple[Status, ...] = ()
    balances: Balances | None = None
    """Of a statement (camt.053) alone."""


def read_messages(raw: bytes) -> list[Message]:
    """Return the statements, notifications or the report that a file holds.

    Raises UnsafeXmlError and BankFileError.
    """
    namespace, root = read_xml(raw)
    known = _NAMESPACE.fullmatch(namespace)
    if known is None or root.name != "Document":
        raise BankFileError(
            f"this is a document of {namespace[:100]!r}: take camt.053, camt.054 or pain.002"
        )
    kind = known[1]
    digest = hashlib.sha256(raw).digest()
    parts = list(root.all(_ROOTS[kind]))
    if not parts:
        raise BankFileError(f"this {kind} holds nothing: ask the bank for the file again")
    if kind == "pain.002":
        return [_report(part, digest) for part in parts]
    return [_account_report(kind, part, digest) for part in parts]


def _account_report(kind: str, part: Node, digest: bytes) -> Message:
    entries: list[Entry] = []
    sum_tyiyn = 0
    for node in part.all("Ntry"):
        whole = _entry(node)
        if whole.is_booked and whole.currency == "KGS":
            if whole.amount_tyiyn is None:
                _contradiction("an entry without an amount")
            sign = 1 if whole.direction is Direction.CREDIT else -1
            sum_tyiyn += sign * whole.amount_tyiyn
        entries += _details(node, whole)
    said = _balances(part)
    opening, closing = said.opening_tyiyn, said.closing_tyiyn
    if opening is not None and closing is not None and opening + sum_tyiyn != closing:
        _contradiction(
            f"opening balance {opening} and entries {sum_tyiyn} do not make closing {closing} tyiyn"
        )
    account = part.said("Acct/Id/Othr/Id") or part.said("Acct/Id/IBAN")
    balances = said if kind == "camt.053" else None
    return Message(kind, _text(part.said("Id")), digest, account, tuple(entries), (), balances)


def _contradiction(what: str) -> NoReturn:
    raise BankFileError(f"this file contradicts itself: {what}; ask the bank for it again")


def _balances(part: Node) -> Balances:
    opening = _balance(part, "OPBD") or _balance(part, "PRCD")
    closing = _balance(part, "CLBD")
    number = part.said("ElctrncSeqNb") or part.said("LglSeqNb")
    return Balances(
        int(number) if _NUMBER.fullmatch(number) else None,
        _tyiyn_of(opening),
        _tyiyn_of(closing),
        _day(closing.said("Dt/Dt") or closing.said("Dt/DtTm")) if closing else None,
    )


def _balance(part: Node, code: str) -> Node | None:
    told = (balance for balance in part.all("Bal") if balance.said("Tp/CdOrPrtry/Cd") == code)
    return next(told, None)


def _tyiyn_of(balance: Node | None) -> int | None:
    if balance is None:
        return None
    amount, currency = _amount(balance.first("Amt"))
    if amount is None or currency != "KGS":
        return None
    return amount if _direction(balance.said("CdtDbtInd")) is Direction.CREDIT else -amount


def _day(said: str) -> str | None:
    """Return a date as the calendar has it, or None."""
    try:
        return date.fromisoformat(said[:10]).isoformat()
    except ValueError:
        return None


def _entry(node: Node) -> Entry:
    amount, currency = _amount(node.first("Amt"))
    return Entry(
        direction=_direction(node.said("CdtDbtInd")),
        reference=_text(node.said("AcctSvcrRef")),
        end_to_end_id="",
        amount_tyiyn=amount,
        currency=currency,
        is_booked=(node.said("Sts/Cd") or node.said("Sts")) == "BOOK",
        is_return=node.said("RvslInd") in {"true", "1"},
        reason=_text(node.said("AddtlNtryInf")),
        booked_date=_day(node.said("BookgDt/Dt") or node.said("BookgDt/DtTm")) or "",
        counterparty="",
    )


def _details(node: Node, whole: Entry) -> list[Entry]:
    """Return an entry for each payment or batch in it; itself where it has no more to say."""
    details = list(_parts(node))
    if not details:
        return [replace(whole, is_sum=True)]
    alone = len(details) == 1
    entries = [_detail(detail, whole, alone=alone) for detail in details]
    amounts = [entry.amount_tyiyn for entry in entries]
    signs = [1 if entry.direction is whole.direction else -1 for entry in entries]
    is_whole = None not in amounts and whole.amount_tyiyn == sum(
        sign * (amount or 0) for sign, amount in zip(signs, amounts, strict=True)
    )
    if not is_whole or any(entry.currency != whole.currency for entry in entries):
        return [replace(entry, amount_tyiyn=None) for entry in entries]
    return entries


def _parts(node: Node) -> Iterator[Node]:
    """Yield what each payment of an entry says, or in its place what a batch of them does."""
    for details in node.all("NtryDtls"):
        payments = list(details.all("TxDtls"))
        batch = details.first("Btch")
        if batch is not None and not any(map(_amount_said, payments)):
            # Payments that are named without amounts add nothing to the sum of their batch.
            yield batch
        else:
            yield from payments


def _amount_said(detail: Node) -> Node | None:
    return detail.first("Amt") or detail.first("AmtDtls/TxAmt/Amt")


def _detail(detail: Node, whole: Entry, *, alone: bool) -> Entry:
    is_batch = detail.name == "Btch"
    said = detail.first("TtlAmt") if is_batch else _amount_said(detail)
    amount, currency = _amount(said)
    if said is None and alone:
        amount, currency = whole.amount_tyiyn, whole.currency
    indicator = detail.said("CdtDbtInd")
    direction = _direction(indicator) if indicator else whole.direction
    party = "DbtrAcct" if direction is Direction.CREDIT else "CdtrAcct"
    other = f"RltdPties/{party}/Id"
    returned = detail.first("RtrInf")
    names = detail if is_batch else detail.first("Refs")
    end_to_end_id = _named(detail, "Refs/EndToEndId")
    batch_id = "" if names is None else _named(names, "PmtInfId") or _named(names, "MsgId")
    counterparty = _text(detail.said(f"{other}/Othr/Id") or detail.said(f"{other}/IBAN"))
    why = []
    if returned is not None:
        why = [returned.said("Rsn/Cd") or returned.said("Rsn/Prtry"), returned.said("AddtlInf")]
    return replace(
        whole,
        direction=direction,
        reference=_text(detail.said("Refs/AcctSvcrRef")) or (whole.reference if alone else ""),
        end_to_end_id=end_to_end_id,
        amount_tyiyn=amount,
        currency=currency,
        is_return=whole.is_return or returned is not None,
        reason=_text(" ".join(filter(None, why))) or whole.reason,
        counterparty=counterparty,
        batch_id=batch_id,
        is_sum=is_batch or not (end_to_end_id or counterparty),
    )


def _named(node: Node, path: str) -> str:
    """Return an identification; empty where the bank wrote that it has none."""
    said = _text(node.said(path))
    return "" if said == NOT_PROVIDED else said


def _direction(indicator: str) -> Direction:
    if indicator not in {"CRDT", "DBIT"}:
        _contradiction("an entry is neither a credit nor a debit")
    return Direction.CREDIT if indicator == "CRDT" else Direction.DEBIT


def _amount(node: Node | None) -> tuple[int | None, str]:
    """Return whole tyiyn and the currency; None where it is no such amount."""
    if node is None:
        return None, ""
    currency = node.attributes.get("Ccy", "")[:3]
    known = _AMOUNT.fullmatch(node.text.strip())
    if known is None:
        return None, currency
    som, decimals = known[1], (known[2] or "").ljust(5, "0")
    if decimals[2:] != "000":
        return None, currency
    return int(som) * 100 + int(decimals[:2]), currency


def _report(part: Node, digest: bytes) -> Message:
    return Message(
        "pain.002", _text(part.said("GrpHdr/MsgId")), digest, "", (), tuple(_statuses(part))
    )


def _statuses(part: Node) -> Iterator[Status]:
    original = _text(part.said("OrgnlGrpInfAndSts/OrgnlMsgId"))
    group = part.first("OrgnlGrpInfAndSts")
    if group is not None and group.said("GrpSts"):
        yield Status(original, "", group.said("GrpSts")[:4], _reason(group))
    for information in part.all("OrgnlPmtInfAndSts"):
        if information.said("PmtInfSts"):
            yield Status(original, "", information.said("PmtInfSts")[:4], _reason(information))
        for one in information.all("TxInfAndSts"):
            id_ = _text(one.said("OrgnlEndToEndId"))
            # A status of nothing must not read as one of all.
            yield Status(original, id_ or "(none)", one.said("TxSts")[:4], _reason(one))


def _reason(node: Node) -> str:
    found = node.first("StsRsnInf")
    if found is None:
        return ""
    code = found.said("Rsn/Cd") or found.said("Rsn/Prtry")
    return _text(" ".join(filter(None, [code, found.said("AddtlInf")])))


def _text(said: str) -> str:
    """What the bank wrote, as one bounded line that can be seen."""
    line = " ".join(said.split())
    return "".join(letter for letter in line if letter.isprintable())[:TEXT_MAX]

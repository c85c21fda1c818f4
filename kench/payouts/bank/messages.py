"""What a bank's files say: camt.053 and camt.054 as entries, pain.002 as statuses. Pure.

Versions differ in little; what is read here is where all of them have it. A file that contradicts
itself is refused whole; an entry that cannot be understood has no amount and books nothing.
"""

import enum
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
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
_AMOUNT = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,5}))?")
TEXT_MAX = 500


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


@dataclass(frozen=True, slots=True)
class Status:
    """What the bank says of a payment that we ordered; without its id, of a whole message."""

    message_id: str
    end_to_end_id: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Message:
    """A file of the bank."""

    kind: str
    id: str
    sha256: bytes
    account: str
    entries: tuple[Entry, ...] = ()
    statuses: tuple[Status, ...] = ()
    closing_tyiyn: int | None = None
    """Booked balance at the end of a statement."""


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
    opening, closing = (_balance(part, code) for code in ("OPBD", "CLBD"))
    if opening is not None and closing is not None and opening + sum_tyiyn != closing:
        _contradiction(
            f"opening balance {opening} and entries {sum_tyiyn} do not make closing {closing} tyiyn"
        )
    account = part.said("Acct/Id/Othr/Id") or part.said("Acct/Id/IBAN")
    return Message(kind, _text(part.said("Id")), digest, account, tuple(entries), (), closing)


def _contradiction(what: str) -> NoReturn:
    raise BankFileError(f"this file contradicts itself: {what}; ask the bank for it again")


def _balance(part: Node, code: str) -> int | None:
    for balance in part.all("Bal"):
        if balance.said("Tp/CdOrPrtry/Cd") == code:
            amount, currency = _amount(balance.first("Amt"))
            if amount is None or currency != "KGS":
                return None
            return amount if balance.said("CdtDbtInd") == "CRDT" else -amount
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
        booked_date=_text(node.said("BookgDt/Dt") or node.said("BookgDt/DtTm"))[:10],
        counterparty="",
    )


def _details(node: Node, whole: Entry) -> list[Entry]:
    """Return an entry for each payment in it; itself where it has no more to say."""
    details = list(node.all("NtryDtls/TxDtls"))
    if not details:
        return [whole]
    alone = len(details) == 1
    entries = [_detail(detail, whole, alone=alone) for detail in details]
    amounts = [entry.amount_tyiyn for entry in entries]
    signs = [1 if entry.direction is whole.direction else -1 for entry in entries]
    is_sum = None not in amounts and whole.amount_tyiyn == sum(
        sign * (amount or 0) for sign, amount in zip(signs, amounts, strict=True)
    )
    if not is_sum or any(entry.currency != whole.currency for entry in entries):
        return [replace(entry, amount_tyiyn=None) for entry in entries]
    return entries


def _detail(detail: Node, whole: Entry, *, alone: bool) -> Entry:
    said = detail.first("Amt") or detail.first("AmtDtls/TxAmt/Amt")
    amount, currency = _amount(said)
    if said is None and alone:
        amount, currency = whole.amount_tyiyn, whole.currency
    indicator = detail.said("CdtDbtInd")
    direction = _direction(indicator) if indicator else whole.direction
    party = "DbtrAcct" if direction is Direction.CREDIT else "CdtrAcct"
    other = f"RltdPties/{party}/Id"
    returned = detail.first("RtrInf")
    why = []
    if returned is not None:
        why = [returned.said("Rsn/Cd") or returned.said("Rsn/Prtry"), returned.said("AddtlInf")]
    return replace(
        whole,
        direction=direction,
        reference=_text(detail.said("Refs/AcctSvcrRef")) or (whole.reference if alone else ""),
        end_to_end_id=_text(detail.said("Refs/EndToEndId")),
        amount_tyiyn=amount,
        currency=currency,
        is_return=whole.is_return or returned is not None,
        reason=_text(" ".join(filter(None, why))) or whole.reason,
        counterparty=_text(detail.said(f"{other}/Othr/Id") or detail.said(f"{other}/IBAN")),
    )


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

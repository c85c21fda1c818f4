"""The checks: digests of records, the period's digest and sums, what both officers signed."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import msgspec

from kench.consumer.asking import Asking, NotToldError
from kench.consumer.reading import SUMS, Closing, Item, Page, Period, Record, Signature, read
from kench.pool.moments import us_of
from kench.pool.signature.verifier import Evidence, SignatureRefusedError, Verifier

DIFFERENCES_MAX = 100
RECEIPTS_AT_ONCE = 1000


class Difference(NamedTuple):
    """Something that is not as it should be."""

    what: str
    said: str
    found: str


@dataclass
class Report:
    """What a pull found."""

    period: str
    version: int = 0
    records: int = 0
    participants: int = 0
    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SUMS, 0))
    signers: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    more: int = 0
    """Differences beyond those that are kept."""
    rejected: int = 0

    def differ(self, what: str, said: object, found: object) -> None:
        """Keep a difference, as far as there is room."""
        if len(self.differences) < DIFFERENCES_MAX:
            self.differences.append(Difference(what, str(said)[:200], str(found)[:200]))
        else:
            self.more += 1


class Receipts:
    """What became of each record, sent a thousand at a time."""

    def __init__(self, asking: Asking | None) -> None:
        self._asking = asking
        self._waiting: list[dict[str, str]] = []

    def add(self, doc_ref: str, code: str, words: str) -> None:
        """Take one; an empty code is an acceptance."""
        if self._asking is None:
            return
        told = {"doc_ref": doc_ref, "status": "rejected" if code else "accepted"}
        self._waiting.append(told | ({"code": code, "words": words} if code else {}))
        if len(self._waiting) == RECEIPTS_AT_ONCE:
            self.send()

    def send(self) -> None:
        """Send what waits."""
        if self._asking is not None and self._waiting:
            self._asking.post("/v1/income-reports/status", {"receipts": self._waiting})
        self._waiting = []


class Sums:
    """The sums of the documents in force, as they come; no document is kept."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._totals = [0] * len(SUMS)
        self._days: Counter[int] = Counter()

    def add(self, record: Record) -> None:
        """Take a document; what it corrects is no longer in force."""
        if record.corrects is not None:
            before = read_one(self._asking, record.corrects)
            # What was taken away before does not count anyhow.
            if before.doc_type != "delete":
                self._count(before, -1)
        if record.doc_type != "delete":
            self._count(record, 1)

    def show(self, report: Report) -> None:
        """Say what they are."""
        report.totals = dict(zip(SUMS, self._totals, strict=True))
        report.participants = len(+self._days)

    def _count(self, record: Record, sign: int) -> None:
        for at, value in enumerate(record.totals.values()):
            self._totals[at] += sign * value
        self._days[record.participant.id] += sign


def pull(  # noqa: PLR0913 - what is pulled, and how
    asking: Asking,
    period: str,
    verifier: Verifier,
    *,
    limit: int = 1000,
    receipts: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Pull a period and check all of it; raises NotToldError where it is not handed over."""
    content = asking.get(f"/v1/periods/{period}")
    if content is None:
        raise NotToldError(f"period {period} was not closed yet")
    closing = newest_closing(read(Period, content))
    report = Report(period, closing.version)
    check_signatures(closing, verifier, report)
    digest, sums = hashlib.sha256(), Sums(asking)
    sending = Receipts(asking if receipts else None)
    cursor: str | None = ""
    while cursor is not None:
        path = f"/v1/income-reports?period={period}&limit={limit}"
        told = asking.get(path + (f"&cursor={cursor}" if cursor else ""))
        if told is None:
            raise NotToldError(f"the records of {period} are not handed over")
        page = read(Page, told)
        if page.version != closing.version:
            raise NotToldError(f"period {period} was closed anew meanwhile: pull it again")
        for item in page.records:
            digest.update(hashlib.sha256(item.record).digest())
            _check_item(item, period, report, sums, sending)
        say(f"{report.records} records")
        cursor = page.next
    sending.send()
    sums.show(report)
    _compare(closing, digest.hexdigest(), report)
    return report


def newest_closing(period: Period) -> Closing:
    """Return the closing that is handed over: the newest, also while the period is reopened."""
    closed = [one for one in period.closings if one.state == "closed"]
    if not closed:
        raise NotToldError(f"period {period.period} has no closing")
    return max(closed, key=lambda one: one.version)


def check_signatures(closing: Closing, verifier: Verifier, report: Report) -> None:
    """See that two officers signed what the closing says."""
    pins = set()
    for one in closing.signatures:
        try:
            signer = verifier.verify(
                one.content, one.signature, _us(one),
                Evidence(tuple(one.certificates), tuple(one.crls), tuple(one.ocsps)),
            )  # fmt: skip
        except SignatureRefusedError as refusal:
            report.differ("a signature", "good", refusal)
            continue
        pins.add(signer.pin)
        report.signers.append(signer.name)
        try:
            signed = json.loads(one.content.decode().rstrip("\n").splitlines()[-1])
            data = {name: signed[name] for name in ("period", "version", "digest")}
        except (ValueError, LookupError, TypeError, RecursionError):
            report.differ("a signed text", "ends with the closing as data", "it does not")
            continue
        told = {"period": closing.period, "version": closing.version, "digest": closing.digest}
        if data != told:
            report.differ("a signed text", told, data)
    if len(pins) != 2:
        report.differ("officers who signed", 2, len(pins))


def read_one(asking: Asking, doc_ref: str) -> Record:
    """Return a record by its name; raises NotToldError."""
    content = asking.get(f"/v1/income-reports/{doc_ref}")
    if content is None:
        raise NotToldError(f"there is no record {doc_ref}, which another corrects")
    return read(Record, read(Item, content).record)


def problems_of(item: Item, record: Record, period: str) -> tuple[str, str]:
    """Return code and words of what is wrong with a record; both empty if nothing is."""
    if hashlib.sha256(item.record).hexdigest() != item.sha256:
        return "DIGEST", "the digest is not that of the record"
    if record.period != period or not record.day.startswith(period):
        return "PERIOD", "the record is of another period"
    if record.totals.values() != record.parts():
        return "TOTALS", "the totals are not what the parts sum to"
    totals = record.totals
    fees = totals.venue_fee_tyiyn + totals.pool_fee_tyiyn
    if totals.gross_tyiyn != fees + totals.net_tyiyn:
        return "NET", "gross is not fees and net"
    return "", ""


def _check_item(item: Item, period: str, report: Report, sums: Sums, receipts: Receipts) -> None:
    record = read(Record, msgspec.Raw(item.record))
    code, words = problems_of(item, record, period)
    if code:
        report.rejected += 1
        report.differ(f"record {record.doc_ref}", "good", words)
    receipts.add(record.doc_ref, code, words)
    report.records += 1
    sums.add(record)


def _compare(closing: Closing, digest: str, report: Report) -> None:
    """Compare what was signed with what came."""
    if closing.digest != digest:
        report.differ("the digest of the period", closing.digest, digest)
    for name in ("records", "participants"):
        said, found = getattr(closing.totals, name), getattr(report, name)
        if said != found:
            report.differ(name, said, found)
    for name in SUMS:
        if getattr(closing.totals, name) != report.totals[name]:
            report.differ(name, getattr(closing.totals, name), report.totals[name])


def _us(signature: Signature) -> int:
    try:
        return us_of(datetime.fromisoformat(signature.signed_at))
    except (ValueError, TypeError):
        raise NotToldError("a signature has no moment") from None

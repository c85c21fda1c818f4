"""A period as a ZIP, for the day the line is down: JSON, CSV, CARF XML, and what officers signed.

Whoever has it can check with OpenSSL and sha256sum alone that two officers signed the digest of
just these records.
"""

import csv
import hashlib
import io
import json
import ssl
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import msgspec
import sqlalchemy as sa

from kench.payouts.income import tables
from kench.payouts.income.carf import Reporter, check_carf, write_carf
from kench.payouts.income.editions import carf_files
from kench.payouts.income.errors import IncomeError
from kench.payouts.income.periods import Closing, PeriodState, period_state
from kench.payouts.income.record import read_record
from kench.payouts.statements.sheets import BOM, harmless
from kench.pool.moments import moment_of, moment_text, us_of
from kench.pool.settings import Settings

FETCHED_ROWS = 1_000
FILE_TIME = (1980, 1, 1, 0, 0, 0)
"""Every file has the same time: the same archive has the same bytes."""
CHUNK_BYTES = 256 * 1024
COLUMNS = (
    "sequence", "doc_ref", "doc_type", "corrects", "participant_id", "tax_number", "name",
    "certificate", "kind", "day", "asset", *tables.SUMS, "usd_rate", "usd_rate_day", "sha256",
)  # fmt: skip
README = """\
Income records of {period}, {state}, made {moment}.

index.json names every file with its SHA-256, the period's sums, its digest and its closings.
records.jsonl has each document in a line, in the order of their sequence: the very bytes that are
kept. The SHA-256 of a document is that of its line without the line feed; the period's digest is
the SHA-256 of all these digests, as bytes, one after the other:

  while IFS= read -r line; do printf %s "$line" | sha256sum | cut -c1-64; done \\
    < records.jsonl | xxd -r -p | sha256sum

records.csv has the sums of each document. A document that `corrects` another stands in its place;
one of type delete takes it back.

carf.xml has the sums of each participant as OECD CARF 1.5; where the period is not closed, it is a
draft. Of a period that was closed before, carf-changes.xml has what changed since that closing, and
carf-new.xml who was not told of then; where nothing of it changed there is neither.

closings/N-KIND/1 and /2 hold what the two officers signed:
  content.txt     the exact bytes that were shown and signed; its last line names the digest
  signature.p7s   the detached CMS signature (DER)
  chain.pem       the signer's certificate and those of the authorities
  root.pem        the root alone
  *.crl, *.ocsp   the revocation evidence of that moment (DER)

  openssl cms -verify -binary -inform DER -in signature.p7s -content content.txt \\
    -CAfile root.pem -certfile chain.pem -purpose any -attime SECONDS -out /dev/null

SECONDS is signed_at_s in index.json: certificates may have expired since. Compare root.pem with the
root that the certification authority publishes.
"""

_ACT = sa.text("""
    SELECT acts.content, acts.signature, acts.certificates, acts.crls, acts.ocsps, signed_at,
        persons.pin, persons.name
    FROM signed_acts AS acts JOIN persons ON persons.id = acts.person_id WHERE acts.id = :id
""")
_EVIDENCE = sa.text("SELECT digest, content FROM act_evidence WHERE digest = ANY(:digests)")


@dataclass(frozen=True, slots=True)
class Exported:
    """What an archive holds."""

    period: str
    records: int
    digest: str
    files: int


@dataclass(frozen=True, slots=True)
class How:
    """Whose message a file's CARF is, and by which schema it is checked."""

    reporter: Reporter
    carf_schema: Path | None

    @classmethod
    def of(cls, settings: Settings) -> "How":
        """As the settings say."""
        number, address = settings.income_reporter_tax_number, settings.income_reporter_address
        return cls(Reporter(settings.income_reporter, number, address), settings.income_carf_schema)


@dataclass(slots=True)
class _Archive:
    zip: zipfile.ZipFile
    listed: list[dict[str, Any]] = field(default_factory=list)

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file piece by piece, and list it."""
        information = zipfile.ZipInfo(name, FILE_TIME)
        information.compress_type = zipfile.ZIP_DEFLATED
        information.external_attr = 0o644 << 16
        digest, size = hashlib.sha256(), 0
        with self.zip.open(information, "w", force_zip64=True) as file:
            for piece in pieces:
                digest.update(piece)
                size += len(piece)
                file.write(piece)
        self.listed.append({"name": name, "bytes": size, "sha256": digest.hexdigest()})


def export_zip(  # noqa: PLR0913, PLR0917 - what, where to, as whose
    db: sa.Connection,
    period: str,
    file: IO[bytes],
    now_us: int,
    how: How,
    show: Callable[[int], None] = lambda _written: None,
) -> Exported:
    """Write a period's archive; raises IncomeError, CarfError where the schema finds a fault."""
    db.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    state = period_state(db, period)
    if not state.summary.records:
        raise IncomeError(f"{period} has no income records: `kench income generate {period}`")
    whole, counted = hashlib.sha256(), 0

    def documents() -> Iterator[bytes]:
        nonlocal counted
        for row in _rows(db, period):
            whole.update(row.sha256)
            counted += 1
            if counted % FETCHED_ROWS == 0:
                show(counted)
            yield bytes(row.content) + b"\n"

    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        into = _Archive(archive)
        moment = moment_text(now_us)
        readme = README.format(period=period, state=state.state.value, moment=moment)
        into.put("README.txt", [readme.encode()])
        into.put("records.jsonl", documents())
        into.put("records.csv", _csv(_rows(db, period)))
        _put_carf(db, into, state, now_us, how)
        closings = [_put_closing(db, into, one) for one in state.closings]
        index = _index(state, whole.hexdigest(), moment, closings, into.listed)
        into.put("index.json", [(json.dumps(index, ensure_ascii=False, indent=2) + "\n").encode()])
    return Exported(period, counted, whole.hexdigest(), len(into.listed))


def _rows(db: sa.Connection, period: str) -> Iterator[Any]:
    columns = tables.income_records.c
    return iter(
        db.execute(
            sa.select(columns.sequence, columns.content, columns.sha256)
            .where(columns.period == period)
            .order_by(columns.sequence),
            execution_options={"stream_results": True, "max_row_buffer": FETCHED_ROWS},
        )
    )


def _csv(rows: Iterable[Any]) -> Iterator[bytes]:
    yield BOM
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        record = read_record(bytes(row.content))
        who, rate = record.participant, record.official_rate
        cells = [
            row.sequence, record.doc_ref, record.doc_type.value, record.corrects or "", who.id,
            # Of fourteen digits, which a spreadsheet would write as a number with an exponent.
            f"№{who.tax_number}" if who.tax_number else "", who.name or "", who.certificate or "",
            who.kind or "", record.day.isoformat(), record.asset,
            *msgspec.structs.astuple(record.totals), rate.som_per_unit if rate else "",
            rate.day.isoformat() if rate else "", bytes(row.sha256).hex(),
        ]  # fmt: skip
        writer.writerow([harmless(cell) for cell in cells])
        if text.tell() > CHUNK_BYTES:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _put_carf(db: sa.Connection, into: _Archive, state: PeriodState, now_us: int, how: How) -> None:
    for one in carf_files(db, state, moment_of(now_us)):
        with tempfile.NamedTemporaryFile(suffix=".xml") as kept:
            write_carf(kept, one.message, how.reporter, one.documents)
            kept.flush()
            if how.carf_schema is not None:
                check_carf(Path(kept.name), how.carf_schema)
            kept.seek(0)
            into.put(one.name, iter(lambda: kept.read(CHUNK_BYTES), b""))


def _put_closing(db: sa.Connection, into: _Archive, closing: Closing) -> dict[str, Any]:
    folder = f"closings/{closing.version}-{closing.kind.value}"
    signers = []
    for number, act_id in enumerate((closing.act_1, closing.act_2), start=1):
        act: Any = db.execute(_ACT, {"id": act_id}).one()
        place = f"{folder}/{number}"
        for name, content in _files_of(db, act):
            into.put(f"{place}/{name}", [content])
        at_us = us_of(act.signed_at)
        signers.append({"folder": place, "name": act.name, "pin": act.pin,
                        "signed_at": moment_text(at_us),
                        "signed_at_s": at_us // 1_000_000})  # fmt: skip
    return {
        "version": closing.version, "kind": closing.kind.value, "digest": closing.digest.hex(),
        "records": closing.records, "order": closing.order_number,
        "at": moment_text(us_of(closing.at)), "signers": signers,
    }  # fmt: skip


def _files_of(db: sa.Connection, act: Any) -> Iterator[tuple[str, bytes]]:
    wanted = [bytes(one) for part in (act.certificates, act.crls, act.ocsps) for one in part]
    kept = {bytes(row.digest): bytes(row.content)
            for row in db.execute(_EVIDENCE, {"digests": wanted})}  # fmt: skip
    if set(wanted) - kept.keys():
        raise IncomeError("evidence of a signature is missing: restore a backup")
    certificates = [ssl.DER_cert_to_PEM_cert(kept[bytes(one)]).encode() for one in act.certificates]
    yield "content.txt", bytes(act.content)
    yield "signature.p7s", bytes(act.signature)
    yield "chain.pem", b"".join(certificates)
    if certificates:
        yield "root.pem", certificates[-1]
    for suffix, part in (("crl", act.crls), ("ocsp", act.ocsps)):
        for number, one in enumerate(part, start=1):
            yield f"{number}.{suffix}", kept[bytes(one)]


def _index(
    state: PeriodState,
    digest: str,
    moment: str,
    closings: list[dict[str, Any]],
    files: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "kench_income_archive": 1,
        "period": state.period,
        "state": state.state.value,
        "made_at": moment,
        "digest": digest,
        "records": state.summary.records,
        "in_force": state.summary.in_force,
        "participants": state.summary.participants,
        "totals": msgspec.to_builtins(state.summary.totals),
        "closings": closings,
        "files": sorted(files, key=lambda one: str(one["name"])),
    }

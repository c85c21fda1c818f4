"""The dossier of a participant: all that was signed, with the evidence, as one ZIP (D26).

Whoever has it can check every signature with OpenSSL alone, without this system.
"""

import hashlib
import json
import ssl
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import IO, Any

import msgspec
import sqlalchemy as sa

from kench.cabinet.inspections.outcome import Outcome
from kench.cabinet.inspections.tables import inspection_outcomes, inspections
from kench.cabinet.login.people import people_of
from kench.cabinet.messages.tables import (
    circular_recipients,
    circulars,
    message_answers,
    messages,
)
from kench.cabinet.registration import tables
from kench.cabinet.registration.application import Application
from kench.cabinet.registration.attachments import Attachment
from kench.cabinet.registration.bodies import data_of
from kench.cabinet.registration.documents import read_by_digest
from kench.cabinet.registration.membership import entries_of, history_of
from kench.cabinet.registration.notices import Notice
from kench.cabinet.registry.tables import register_extracts
from kench.cabinet.reports.filing import Filing
from kench.cabinet.reports.papers import Paper
from kench.cabinet.reports.tables import report_decisions, report_filings, reports
from kench.cabinet.signing.acts import SignedAct, read_act, read_evidence
from kench.cabinet.signing.wording import Purpose
from kench.pool.moments import moment_of, moment_text

README = """\
Dossier of participant {number}, made {moment}.

index.json names every file with its SHA-256, and every signed act with who signed it and when.
register.json is the Electronic Register's entry in all its versions, and how its state came about.
acts/N-PURPOSE/ holds each signed act:
  content.txt     the exact bytes that were shown and signed
  signature.p7s   the detached CMS signature (DER)
  chain.pem       the signer's certificate and those of the authorities
  root.pem        the root alone
  *.crl, *.ocsp   the revocation evidence of that moment (DER)
reports.json lists the reports that were due, each version that was filed, and what became of it.
attachments/ holds the attached documents; the signed text names the SHA-256 of each.

To check that the files are those of the index (sha256sum of each), and then each signature:

  cd acts/N-PURPOSE
  openssl cms -verify -binary -inform DER -in signature.p7s -content content.txt \\
    -CAfile root.pem -certfile chain.pem -purpose any -attime SECONDS -out /dev/null

SECONDS is the act's signed_at_s in index.json: certificates may have expired since. Compare
root.pem with the root that the certification authority publishes; the signer's personal number:

  openssl x509 -in chain.pem -noout -subject
  openssl crl -inform DER -in 1.crl -noout -text
"""
FILE_TIME = (1980, 1, 1, 0, 0, 0)
"""Every file has the same time: the same dossier has the same bytes."""


def write_dossier(db: sa.Connection, participant_id: int, file: IO[bytes], now_us: int) -> None:
    """Write the ZIP of a participant; who may have it is the caller's to check."""
    acts = acts_of(db, participant_id)
    listed: list[dict[str, Any]] = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:

        def put(name: str, content: bytes) -> None:
            information = zipfile.ZipInfo(name, FILE_TIME)
            information.compress_type = zipfile.ZIP_DEFLATED
            information.external_attr = 0o644 << 16
            archive.writestr(information, content)
            digest = hashlib.sha256(content).hexdigest()
            listed.append({"name": name, "bytes": len(content), "sha256": digest})

        put("README.txt", README.format(number=participant_id, moment=moment_text(now_us)).encode())
        put("register.json", _json(_register(db, participant_id)))
        for act in acts:
            for name, content in _files_of(db, act):
                put(f"{folder_of(act)}/{name}", content)
        for attachment in _attachments_of(acts):
            put(f"attachments/{attachment.sha256[:16]}-{attachment.name}",
                read_by_digest(db, bytes.fromhex(attachment.sha256)))  # fmt: skip
        put("reports.json", _json(_reports(db, participant_id)))
        index = {
            "participant": participant_id,
            "made_at": moment_text(now_us),
            "acts": [_said(act) for act in acts],
            "files": sorted(listed, key=lambda one: str(one["name"])),
        }
        put("index.json", _json(index))


def folder_of(act: SignedAct) -> str:
    """Where the files of an act are."""
    return f"acts/{act.id}-{act.purpose}"


def acts_of(db: sa.Connection, participant_id: int) -> list[SignedAct]:
    """Every signed act that a participant's way rests on, the first first."""
    events, applications = tables.application_events, tables.applications
    notices, notice_events = tables.notices, tables.notice_events
    own = sa.select(events.c.application_id).where(events.c.participant_id == participant_id)
    wanted = sa.union(
        sa.select(applications.c.act_id).where(applications.c.id.in_(own)),
        sa.select(events.c.act_id).where(events.c.application_id.in_(own)),
        sa.select(notices.c.act_id).where(notices.c.participant_id == participant_id),
        sa.select(notice_events.c.act_id)
        .join_from(notice_events, notices, notice_events.c.notice_id == notices.c.id)
        .where(notices.c.participant_id == participant_id, notice_events.c.act_id.is_not(None)),
        sa.select(tables.membership_events.c.act_id).where(
            tables.membership_events.c.participant_id == participant_id,
            tables.membership_events.c.act_id.is_not(None),
        ),
        sa.select(register_extracts.c.act_id).where(
            register_extracts.c.participant_id == participant_id
        ),
        sa.select(inspection_outcomes.c.act_id)
        .join_from(
            inspection_outcomes,
            inspections,
            inspections.c.id == inspection_outcomes.c.inspection_id,
        )
        .where(inspections.c.participant_id == participant_id),
        sa.select(circulars.c.act_id)
        .join_from(
            circulars, circular_recipients, circular_recipients.c.circular_id == circulars.c.id
        )
        .where(circular_recipients.c.participant_id == participant_id),
        sa.select(messages.c.act_id).where(messages.c.participant_id == participant_id),
        sa.select(report_filings.c.act_id)
        .join_from(report_filings, reports, report_filings.c.report_id == reports.c.id)
        .where(reports.c.participant_id == participant_id),
        sa.select(report_decisions.c.act_id)
        .join_from(
            report_decisions, report_filings, report_decisions.c.filing_id == report_filings.c.id
        )
        .join(reports, report_filings.c.report_id == reports.c.id)
        .where(reports.c.participant_id == participant_id, report_decisions.c.act_id.is_not(None)),
        sa.select(message_answers.c.act_id)
        .join_from(message_answers, messages, message_answers.c.message_id == messages.c.id)
        .where(messages.c.participant_id == participant_id),
    )
    acts = (read_act(db, number) for number in sorted(db.scalars(wanted)))
    return [act for act in acts if act is not None]


def _files_of(db: sa.Connection, act: SignedAct) -> Iterator[tuple[str, bytes]]:
    evidence = read_evidence(db, act.id)
    yield "content.txt", act.content
    yield "signature.p7s", act.signature
    yield "chain.pem", b"".join(map(_pem, evidence.certificates))
    if evidence.certificates:
        yield "root.pem", _pem(evidence.certificates[-1])
    for number, content in enumerate(evidence.crls, start=1):
        yield f"{number}.crl", content
    for number, content in enumerate(evidence.ocsps, start=1):
        yield f"{number}.ocsp", content


def _attachments_of(acts: Iterable[SignedAct]) -> list[Attachment | Paper]:
    found: dict[str, Attachment | Paper] = {}
    for act in acts:
        attached: tuple[Attachment | Paper, ...] = ()
        if act.purpose is Purpose.APPLICATION:
            attached = data_of(act.content, Application).attachments
        elif act.purpose is Purpose.NOTICE:
            attached = data_of(act.content, Notice).attachments
        elif act.purpose is Purpose.INSPECTION:
            attached = data_of(act.content, Outcome).attachments
        elif act.purpose is Purpose.REPORT:
            attached = data_of(act.content, Filing).papers
        found |= {one.sha256: one for one in attached}
    return [found[digest] for digest in sorted(found)]


def _register(db: sa.Connection, participant_id: int) -> dict[str, Any]:
    notices = tables.notices
    rows = db.execute(
        sa.select(
            notices.c.id, notices.c.kind, notices.c.made_at, notices.c.late, notices.c.day,
            notices.c.until, notices.c.enter_by, notices.c.calendar, notices.c.act_id,
            tables.notice_events.c.act, tables.notice_events.c.state, tables.notice_events.c.at,
        )
        .join_from(notices, tables.notice_events, notices.c.id == tables.notice_events.c.notice_id)
        .where(notices.c.participant_id == participant_id)
        .order_by(notices.c.id, tables.notice_events.c.id)
    )  # fmt: skip
    return {
        "participant": participant_id,
        "entries": [
            {"version": one.version, "at": one.at, "act": one.act_id,
             "entry": msgspec.to_builtins(one.entry)}
            for one in entries_of(db, participant_id)
        ],
        "history": [one._asdict() for one in history_of(db, participant_id)],
        "notices": [dict(row._mapping) for row in rows],
        "people": [
            {"pin": one.pin, "name": one.name, "role": one.role,
             "added_at": moment_of(one.added_us)}
            for one in people_of(db, participant_id)
        ],
    }  # fmt: skip


def _reports(db: sa.Connection, participant_id: int) -> list[dict[str, Any]]:
    """Which reports were due, when each version was filed, and what officers said of it."""
    rows = db.execute(
        sa.select(
            reports.c.id, reports.c.kind, reports.c.period, reports.c.due, reports.c.calendar,
            report_filings.c.version, report_filings.c.act_id, report_filings.c.filed_at,
            report_filings.c.late, report_decisions.c.outcome, report_decisions.c.remarks,
            report_decisions.c.act_id.label("decision_act_id"),
            report_decisions.c.at.label("decided_at"),
        )
        .outerjoin_from(reports, report_filings, report_filings.c.report_id == reports.c.id)
        .outerjoin(report_decisions, report_decisions.c.filing_id == report_filings.c.id)
        .where(reports.c.participant_id == participant_id)
        .order_by(reports.c.id, report_filings.c.version)
    )  # fmt: skip
    return [dict(row._mapping) for row in rows]


def _said(act: SignedAct) -> dict[str, Any]:
    return {
        "act": act.id,
        "folder": folder_of(act),
        "purpose": act.purpose,
        "subject": act.subject,
        "signer": act.person.name,
        "pin": act.person.pin,
        "signed_at": moment_text(act.signed_us),
        "signed_at_s": act.signed_us // 1_000_000,
        "content_sha256": hashlib.sha256(act.content).hexdigest(),
        "certificate_sha256": act.certificate_sha256.hex(),
    }


def _json(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, indent=2, default=_plain)
    return (text + "\n").encode()


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _pem(der: bytes) -> bytes:
    return ssl.DER_cert_to_PEM_cert(der).encode()

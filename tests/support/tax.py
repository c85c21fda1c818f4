"""The hand-over in tests: records of a period, a closing that two officers signed, who asks.

with provider_of(database) as provider:
    asker = Asker(provider)                       # a client of X-Road that may ask everything
    asker.get("/v1/periods").json()
"""

import contextlib
import hashlib
import itertools
import json
import uuid
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import httpx
import sqlalchemy as sa
from starlette.testclient import TestClient

from kench.cabinet.login.persons import know_person
from kench.cabinet.signing.evidence import keep_evidence
from kench.pool.clock import Clock, ManualClock
from kench.pool.database import Role, open_engine
from kench.pool.moments import moment_of
from kench.pool.orders.officers import add_officer
from kench.pool.settings import Settings
from kench.pool.signature.verifier import Evidence
from kench.tax.app import make_app
from kench.tax.provider import Provider
from tests.support.asgi import Direct, keeping_loop, loop_of
from tests.support.orders import document
from tests.support.pki import NOW_US
from tests.support.signing import SECOND_US, authority, signer

PERIOD = "2025-10"
FIRST, SECOND = "10103199000456", "21507198500999"
"""Two officers."""
CLIENT, OTHER = "KG/GOV/10000001/taxes", "KG/GOV/10000002/statistics"
ENDPOINTS = (
    "periods", "income-reports", "participants", "corrections", "receipts", "register-entries",
)  # fmt: skip
NOTHING = b"\0" * 32
_ids = itertools.count(1)


class Asker(TestClient):
    """A client of X-Road behind its security server; each request has an id of its own."""

    def __init__(self, provider: Provider, client: str = CLIENT) -> None:
        super().__init__(
            make_app(provider), base_url="http://127.0.0.1:8090", raise_server_exceptions=False
        )
        self.client = client
        self._transport = Direct(self.app, loop_of(provider))

    def request(self, method: str, url: Any, **options: Any) -> httpx.Response:
        headers = {"X-Road-Client": self.client, "X-Road-Id": new_id()}
        options["headers"] = headers | (options.get("headers") or {})
        return super().request(method, url, **options)


def new_id() -> str:
    """An id that no message had."""
    return str(uuid.UUID(int=next(_ids) | 4 << 76 | 2 << 62))


@contextlib.contextmanager
def provider_of(
    database: str, *, clock: Clock | None = None, **settings: Any
) -> Iterator[Provider]:
    """A provider on that database, with the rights of its role and no others."""
    engine = open_engine(database, Role.TAX, application_name="test tax")
    clients = settings.pop("tax_clients", ({"client": CLIENT, "may": ENDPOINTS},))
    given = {"tax_requests_per_s": 10_000.0, **settings}
    settings_given = Settings(tax_clients=clients, **given)
    provider = Provider(engine, settings_given, clock or ManualClock(NOW_US))
    with keeping_loop(provider):
        yield provider
    engine.dispose()


def content_of(doc_ref: str, day: date, participant_id: int, doc_type: str = "new",
               corrects: str | None = None, **totals: int) -> bytes:  # fmt: skip
    """A record as it is kept."""
    sums = {
        name: totals.get(name, 0)
        for name in (
            "accrued_sat", "sold_sat", "gross_tyiyn", "venue_fee_tyiyn", "pool_fee_tyiyn",
            "net_tyiyn", "paid_tyiyn",
        )
    }  # fmt: skip
    told = {
        "kench_income": 1, "doc_ref": doc_ref, "doc_type": doc_type, "corrects": corrects,
        "period": f"{day:%Y-%m}", "day": day.isoformat(), "asset": "BTC",
        "timezone": "Asia/Bishkek", "totals": sums,
        "participant": {"id": participant_id, "name": f"Участник № {participant_id}"},
        "accruals": [{"amount_sat": sums["accrued_sat"]}], "payouts": [],
        "sales": [
            {"amount_sat": sums["sold_sat"]}
            | {name: sums[name] for name in sums if name.endswith("tyiyn") and name[0] != "p"}
            | {"pool_fee_tyiyn": sums["pool_fee_tyiyn"]}
        ], "write_offs": [], "official_rate": None,
        "electricity_declared_kwh": None, "software": "test",
    }  # fmt: skip
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def put_record(  # one row
    db: sa.Connection,
    participant_id: int,
    day: date,
    number: int = 1,
    doc_type: str = "new",
    *,
    accrued_sat: int = 1000,
    net_tyiyn: int = 500,
) -> str:
    """A record of one participant's day; returns its name."""
    name = f"KG-{day:%Y-%m}-{participant_id}-{day}-"
    corrects = f"{name}{number - 1}" if number > 1 else None
    sums = {"accrued_sat": accrued_sat, "gross_tyiyn": net_tyiyn, "net_tyiyn": net_tyiyn}
    content = content_of(f"{name}{number}", day, participant_id, doc_type, corrects, **sums)
    db.execute(
        sa.text(
            "INSERT INTO income_records (doc_ref, period, participant_id, day, asset, doc_type, "
            "corrects, accrued_sat, sold_sat, gross_tyiyn, venue_fee_tyiyn, pool_fee_tyiyn, "
            "net_tyiyn, paid_tyiyn, content, sha256, made_at) VALUES (:doc_ref, :period, "
            ":participant, :day, 'BTC', :doc_type, :corrects, :accrued_sat, 0, :net_tyiyn, 0, 0, "
            ":net_tyiyn, 0, :content, :sha256, :at)"
        ),
        {
            "doc_ref": f"{name}{number}", "period": f"{day:%Y-%m}", "participant": participant_id,
            "day": day, "doc_type": doc_type, "corrects": corrects, "accrued_sat": accrued_sat,
            "net_tyiyn": net_tyiyn, "content": content,
            "sha256": hashlib.sha256(content).digest(), "at": moment_of(NOW_US),
        },
    )  # fmt: skip
    return f"{name}{number}"


def put_records(
    db: sa.Connection, participants: Sequence[int], days: int, period: str = PERIOD
) -> list[str]:
    """Records of the first days of a period."""
    first = date.fromisoformat(f"{period}-01")
    return [
        put_record(db, participant, first + timedelta(days=day))
        for day in range(days)
        for participant in participants
    ]


def close_period(
    db: sa.Connection, period: str = PERIOD, *, reopens: bool = False, now_us: int = NOW_US
) -> int:
    """A closing (or reopening) that two officers truly signed; returns its version."""
    version = 1 + (
        db.scalar(
            sa.text("SELECT max(version) FROM income_closings WHERE period = :period"),
            {"period": period},
        )
        or 0
    )
    sums = _sums(db, period)
    digests = db.scalars(
        sa.text("SELECT sha256 FROM income_records WHERE period = :period ORDER BY sequence"),
        {"period": period},
    )
    digest = hashlib.sha256(b"".join(map(bytes, digests)))
    order = _order(db, now_us) if reopens else None
    data = {
        "period": period, "version": version, "digest": digest.hexdigest(), "order": order, **sums,
    }  # fmt: skip
    line = json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
    purpose = "reopening" if reopens else "period"
    acts = [_sign(db, pin, purpose, line, now_us) for pin in (FIRST, SECOND)]
    db.execute(
        sa.text(
            "INSERT INTO income_closings (period, version, kind, digest, records, participants, "
            "accrued_sat, sold_sat, gross_tyiyn, venue_fee_tyiyn, pool_fee_tyiyn, net_tyiyn, "
            "paid_tyiyn, content, act_1, act_2, order_number, at) VALUES (:period, :version, "
            ":kind, :hash, :records, :participants, :accrued_sat, :sold_sat, :gross_tyiyn, "
            ":venue_fee_tyiyn, :pool_fee_tyiyn, :net_tyiyn, :paid_tyiyn, :content, :act_1, :act_2, "
            ":order, :at)"
        ),
        sums
        | {
            "period": period, "version": version, "kind": "reopened" if reopens else "closed",
            "hash": digest.digest(), "content": line, "act_1": acts[0], "act_2": acts[1],
            "order": order, "at": moment_of(now_us),
        },
    )  # fmt: skip
    return version


def _sums(db: sa.Connection, period: str) -> dict[str, int]:
    row = db.execute(
        sa.text(
            "SELECT (SELECT count(*) FROM income_records WHERE period = :period) AS records, "
            "count(DISTINCT participant_id) AS participants, "
            + ", ".join(
                f"coalesce(sum({name}), 0)::bigint AS {name}"
                for name in (
                    "accrued_sat", "sold_sat", "gross_tyiyn", "venue_fee_tyiyn", "pool_fee_tyiyn",
                    "net_tyiyn", "paid_tyiyn",
                )
            )
            + " FROM income_in_force WHERE period = :period"
        ),
        {"period": period},
    ).one()  # fmt: skip
    return dict(row._mapping)


def _order(db: sa.Connection, now_us: int) -> int:
    """An order that a reopening rests on, as if it had been accepted."""
    content = document(1, {"fee": {"pool_ppm": 0}}).content
    values = {"content": content, "at": moment_of(now_us)}
    db.execute(sa.text("SET LOCAL session_replication_role = replica"))
    db.execute(sa.text(
        "INSERT INTO orders (number, title, network, content, content_sha256, proposed_at) "
        "VALUES (1, 'Order 1', 'regtest', :content, sha256(:content), :at) ON CONFLICT DO NOTHING"
    ), values)  # fmt: skip
    db.execute(sa.text(
        "INSERT INTO order_acceptances (number, order_id, accepted_at, tip_height) "
        "SELECT 1, id, :at, 1 FROM orders WHERE number = 1 ON CONFLICT DO NOTHING"
    ), values)  # fmt: skip
    db.execute(sa.text("SET LOCAL session_replication_role = origin"))
    return 1


def _sign(db: sa.Connection, pin: str, purpose: str, line: bytes, now_us: int) -> int:
    """An act of an officer, truly signed; returns its number."""
    known = db.scalar(sa.text("SELECT count(*) FROM officers WHERE pin = :pin"), {"pin": pin})
    if not known:
        add_officer(db, pin, "Гүлнара Эсенова", "finance", now_us - SECOND_US)
    person = know_person(db, pin, "Гүлнара Эсенова", now_us)
    content = f"{purpose}: what both officers read\n\n".encode() + line + b"\n"
    root = authority()
    evidence = Evidence(
        tuple(_der(one) for one in (signer(pin).certificate, root.certificate)),
        (_der(root.crl(days=(-1, 3650))),),
    )
    digests = keep_evidence(db, evidence)
    made: int = db.execute(
        sa.text(
            "INSERT INTO signed_acts (request_id, purpose, subject, person_id, content, "
            "content_sha256, signature, certificate_sha256, certificates, crls, ocsps, signed_at) "
            "VALUES (:request, :purpose, '', :person, :content, :digest, :signature, :certificate, "
            ":certificates, :crls, :ocsps, :at) RETURNING id"
        ),
        {
            "request": f"{next(_ids):032x}", "purpose": purpose, "person": person.id,
            "content": content, "digest": hashlib.sha256(content).digest(),
            "signature": signer(pin).sign(content), "certificate": NOTHING,
            "certificates": list(digests.certificates), "crls": list(digests.crls),
            "ocsps": list(digests.ocsps), "at": moment_of(now_us),
        },
    ).scalar_one()  # fmt: skip
    return made


def _der(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415 - only this needs it

    return bytes(certificate.public_bytes(Encoding.DER))

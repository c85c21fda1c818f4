"""Signed acts: bytes, signature, certificate and what its check rested on, kept for ever.

Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from kench.cabinet.login.persons import Person
from kench.cabinet.login.tables import persons
from kench.cabinet.signing.evidence import keep_evidence, read_contents
from kench.cabinet.signing.requests import SigningRequest
from kench.cabinet.signing.tables import signed_acts
from kench.cabinet.signing.wording import Purpose
from kench.pool.errors import KenchError
from kench.pool.moments import moment_of, us_of
from kench.pool.signature.trust import digest_of
from kench.pool.signature.verifier import Evidence, SignatureRefusedError, Signer, Verifier


class ActUnsoundError(KenchError):
    """What the database holds as a signed act was not signed so."""


@dataclass(frozen=True, slots=True)
class SignedAct:
    """What a person signed."""

    id: int
    request_id: str
    purpose: Purpose
    subject: str
    person: Person
    content: bytes
    signature: bytes
    certificate_sha256: bytes
    signed_us: int


def keep_act(  # noqa: PLR0913, PLR0917 - one row
    db: sa.Connection,
    request: SigningRequest,
    person: Person,
    signature: bytes,
    signer: Signer,
    now_us: int,
) -> SignedAct:
    """Keep what was signed; a certificate or list that many acts rest on is kept once."""
    kept = keep_evidence(db, signer.evidence)
    act_id: int = db.execute(
        sa.insert(signed_acts)
        .values(
            request_id=request.id,
            purpose=request.purpose,
            subject=request.subject,
            person_id=person.id,
            content=request.content,
            content_sha256=digest_of(request.content),
            signature=signature,
            certificate_sha256=signer.certificate_sha256,
            certificates=list(kept.certificates),
            crls=list(kept.crls),
            ocsps=list(kept.ocsps),
            signed_at=moment_of(now_us),
        )
        .returning(signed_acts.c.id)
    ).scalar_one()
    return SignedAct(
        act_id,
        request.id,
        request.purpose,
        request.subject,
        person,
        request.content,
        signature,
        signer.certificate_sha256,
        now_us,
    )


def read_act(db: sa.Connection, act_id: int) -> SignedAct | None:
    """The act of that id."""
    row: Any = db.execute(
        sa.select(signed_acts, persons.c.pin, persons.c.name)
        .join_from(signed_acts, persons, signed_acts.c.person_id == persons.c.id)
        .where(signed_acts.c.id == act_id)
    ).one_or_none()
    if row is None:
        return None
    return SignedAct(
        row.id,
        row.request_id,
        Purpose(row.purpose),
        row.subject,
        Person(row.person_id, row.pin, row.name),
        bytes(row.content),
        bytes(row.signature),
        bytes(row.certificate_sha256),
        us_of(row.signed_at),
    )


def certificates_of(db: sa.Connection, act_id: int) -> tuple[bytes, ...]:
    """Digests of an act's certificates: the signer's, then those up to the root."""
    query = sa.select(signed_acts.c.certificates).where(signed_acts.c.id == act_id)
    return tuple(map(bytes, db.execute(query).scalar_one()))


def read_evidence(db: sa.Connection, act_id: int) -> Evidence:
    """What the check of an act rested on; raises ActUnsoundError where some of it is missing."""
    row: Any = db.execute(
        sa.select(signed_acts.c.certificates, signed_acts.c.crls, signed_acts.c.ocsps).where(
            signed_acts.c.id == act_id
        )
    ).one()
    wanted = {bytes(digest) for digests in row for digest in digests}
    contents = read_contents(db, wanted)
    if wanted - contents.keys():
        raise ActUnsoundError(f"evidence of signed act {act_id} is missing: restore a backup")

    def of(digests: Iterable[Any]) -> tuple[bytes, ...]:
        return tuple(contents[bytes(digest)] for digest in digests)

    return Evidence(of(row.certificates), of(row.crls), of(row.ocsps))


def check_act(db: sa.Connection, act: SignedAct, verifier: Verifier) -> Signer:
    """Check an act again by what was kept; raises ActUnsoundError."""
    try:
        signer = verifier.verify(
            act.content, act.signature, act.signed_us, read_evidence(db, act.id)
        )
    except SignatureRefusedError as error:
        raise ActUnsoundError(f"signed act {act.id} does not hold: {error}") from error
    if (signer.pin, signer.certificate_sha256) != (act.person.pin, act.certificate_sha256):
        raise ActUnsoundError(f"signed act {act.id} was signed by {signer.name} ({signer.pin})")
    return signer

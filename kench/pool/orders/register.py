"""The register of orders: proposing, signing, accepting, and loading with every check done again.

Every function takes a connection that is in a transaction and leaves the commit to its caller.
They check signatures, so none is for the thread of an event loop.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.pool.errors import KenchError
from kench.pool.moments import moment_of, us_of
from kench.pool.orders import tables
from kench.pool.orders.book import OrderBook, OrderRefusedError
from kench.pool.orders.document import Document, read_document
from kench.pool.orders.officers import Officer, in_service
from kench.pool.signature.trust import digest_of
from kench.pool.signature.verifier import Evidence, SignatureRefusedError, Signer, Verifier

SIGNATURES_NEEDED = 2
REGISTER_LOCK = 0x6F72646572
"""Key of the advisory lock under which one order at a time is entered ("order" in ASCII)."""


class OrderUnsoundError(KenchError):
    """What the database holds as an accepted order is not one that was accepted so."""


class OrderSignatureError(KenchError):
    """A signature that cannot be taken for this order."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What came of a signature."""

    document: Document
    officer: Officer
    missing: int
    """Signatures that are still needed; with 0 the order is accepted."""


class Entry(NamedTuple):
    """A proposed order; of several under one number the last is the one to sign."""

    id: int
    number: int
    title: str
    content: bytes
    proposed_at: datetime
    accepted_at: datetime | None
    tip_height: int | None
    signers: tuple[tuple[str, str], ...]
    """Personal number and name of each who signed."""


def load_orders(
    connection: sa.Connection, verifier: Verifier, known: OrderBook | None = None
) -> OrderBook:
    """Read all accepted orders; check digests, signatures, officers, turns and points again.

    What was accepted stays accepted: with the book that was loaded last as `known`, all of its
    orders must be there still, byte for byte. Their signatures were checked when it was loaded,
    and are not again. Raises OrderUnsoundError.
    """
    rows = connection.execute(
        sa.select(
            tables.acceptances.c.number,
            tables.acceptances.c.accepted_at,
            tables.acceptances.c.tip_height,
            tables.orders.c.id,
            tables.orders.c.content,
            tables.orders.c.content_sha256,
        )
        .join_from(tables.acceptances, tables.orders)
        .order_by(tables.acceptances.c.number)
    ).all()
    before = {document.content: document for document in known.documents} if known else {}
    signed = _signatures(connection, [row.id for row in rows if bytes(row.content) not in before])
    book = OrderBook()
    for row in rows:
        try:
            document = before.get(bytes(row.content))
            if document is None:
                document = read_document(bytes(row.content))
                _check_signatures(document, row.accepted_at, signed[row.id], verifier)
            if document.sha256 != bytes(row.content_sha256):
                raise OrderUnsoundError("its bytes have not the digest that was kept")
            if document.number != row.number:
                raise OrderUnsoundError(f"its bytes say that it is order {document.number}")
            book = book.accept(document, tip_height=row.tip_height, now_us=us_of(row.accepted_at))
        except KenchError as error:
            raise OrderUnsoundError(
                f"order {row.number} in the database is not sound: {error}; nothing runs on it: "
                "find out who wrote to the database, and restore a backup"
            ) from error
    if known and book.digests[: known.newest] != known.digests:
        raise OrderUnsoundError(
            f"the database holds other orders than the {known.newest} that were accepted: find "
            "out who wrote to it, and restore a backup"
        )
    return book


def accepted_digests(connection: sa.Connection) -> list[bytes]:
    """Return the digest of each accepted order by number: a cheap look for anything new."""
    rows = connection.execute(
        sa.select(tables.orders.c.content_sha256)
        .join_from(tables.acceptances, tables.orders)
        .order_by(tables.acceptances.c.number)
    )
    return [bytes(digest) for digest in rows.scalars()]


def propose(
    connection: sa.Connection,
    verifier: Verifier,
    content: bytes,
    *,
    tip_height: int | None,
    now_us: int,
) -> Document:
    """Enter an order that officers may sign from now on; one proposed again under its number.

    Raises InvalidOrderError, OrderRefusedError.
    """
    _take_turns(connection)
    document = read_document(content)
    load_orders(connection, verifier).accept(document, tip_height=tip_height, now_us=now_us)
    same = connection.scalar(
        sa.select(tables.orders.c.id).where(tables.orders.c.content_sha256 == document.sha256)
    )
    if same is not None:
        raise OrderRefusedError(
            f"order {document.number} is proposed with these bytes already: sign it, or, where "
            "another proposal replaced it, draft it anew with another title"
        )
    connection.execute(
        sa.insert(tables.orders).values(
            number=document.number,
            title=document.title,
            network=document.network,
            content=content,
            content_sha256=document.sha256,
            proposed_at=moment_of(now_us),
        )
    )
    return document


def sign(  # noqa: PLR0913 - the facts of a signature
    connection: sa.Connection,
    verifier: Verifier,
    number: int,
    signature: bytes,
    *,
    tip_height: int | None,
    now_us: int,
) -> Signed:
    """Take an officer's signature of the order that waits; the second one accepts it.

    Raises OrderSignatureError, SignatureRefusedError, OrderRefusedError (it came too late).
    """
    _take_turns(connection)
    row = _waiting(connection, number)
    document = read_document(bytes(row.content))
    book = load_orders(connection, verifier)
    book.accept(document, tip_height=tip_height, now_us=now_us)
    signer = verifier.verify(document.content, signature, now_us)
    officer = in_service(connection, signer.pin)
    if officer is None or not officer.served_at(moment_of(now_us)):
        raise OrderSignatureError(
            f"{signer.name} ({signer.pin}) is no officer in service: `kench officer list` shows all"
        )
    before = _signatures(connection, [row.id])[row.id]
    if any(one.officer.pin == signer.pin for one in before):
        raise OrderSignatureError(
            f"{officer.name} ({officer.pin}) has signed order {number} already: another officer "
            "must"
        )
    _keep(connection, row.id, officer, signature, signer, now_us)
    # An officer who has left since is none whose signature counts.
    counted = 1 + sum(one.officer.served_at(moment_of(now_us)) for one in before)
    if counted >= SIGNATURES_NEEDED:
        connection.execute(
            sa.insert(tables.acceptances).values(
                number=number,
                order_id=row.id,
                accepted_at=moment_of(now_us),
                tip_height=tip_height,
            )
        )
    return Signed(document, officer, max(0, SIGNATURES_NEEDED - counted))


def waiting(connection: sa.Connection, number: int) -> Document:
    """The order of that number that officers may sign; raises OrderSignatureError."""
    return read_document(bytes(_waiting(connection, number).content))


def list_orders(connection: sa.Connection) -> list[Entry]:
    """Every order ever proposed, by number and then by turn."""
    rows = connection.execute(
        sa.select(
            tables.orders.c.id,
            tables.orders.c.number,
            tables.orders.c.title,
            tables.orders.c.content,
            tables.orders.c.proposed_at,
            tables.acceptances.c.accepted_at,
            tables.acceptances.c.tip_height,
        )
        .join_from(tables.orders, tables.acceptances, isouter=True)
        .order_by(tables.orders.c.number, tables.orders.c.id)
    ).all()
    signers = defaultdict[int, list[tuple[str, str]]](list)
    for order_id, pin, name in connection.execute(
        sa.select(tables.signatures.c.order_id, tables.officers.c.pin, tables.officers.c.name)
        .join_from(tables.signatures, tables.officers)
        .order_by(tables.signatures.c.signed_at, tables.officers.c.id)
    ):
        signers[order_id].append((pin, name))
    return [Entry(*row, signers=tuple(signers[row.id])) for row in rows]


class _Kept(NamedTuple):
    """A signature as the database has it."""

    officer: Officer
    signature: bytes
    certificate_sha256: bytes
    evidence: Evidence
    signed_at: datetime


def _take_turns(connection: sa.Connection) -> None:
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(REGISTER_LOCK)))


def _waiting(connection: sa.Connection, number: int) -> Any:
    """The last proposal under that number, if it waits for signatures."""
    row = connection.execute(
        sa.select(tables.orders)
        .where(tables.orders.c.number == number)
        .order_by(tables.orders.c.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        raise OrderSignatureError(
            f"there is no order {number}: enter it with `kench order propose FILE`"
        )
    accepted = sa.select(tables.acceptances.c.number).where(tables.acceptances.c.number == number)
    if connection.scalar(accepted) is not None:
        raise OrderSignatureError(f"order {number} is accepted already")
    return row


def _signatures(connection: sa.Connection, order_ids: list[int]) -> dict[int, list[_Kept]]:
    """Signatures of these orders, by order."""
    kept = defaultdict[int, list[_Kept]](list)
    if not order_ids:
        return kept
    rows = connection.execute(
        sa.select(tables.signatures, *tables.officers.c)
        .join_from(tables.signatures, tables.officers)
        .where(tables.signatures.c.order_id.in_(order_ids))
        .order_by(tables.signatures.c.order_id, tables.signatures.c.signed_at)
    ).all()
    wanted = {bytes(digest) for row in rows for digest in _digests(row)}
    contents = {
        bytes(digest): bytes(content)
        for digest, content in connection.execute(
            sa.select(tables.evidence).where(tables.evidence.c.digest.in_(wanted))
        )
    }
    for row in rows:
        kept[row.order_id].append(
            _Kept(
                Officer(*row[-6:]),
                bytes(row.signature),
                bytes(row.certificate_sha256),
                Evidence(*(_kept(contents, digests) for digests in _parts(row))),
                row.signed_at,
            )
        )
    return kept


def _parts(row: Any) -> tuple[Any, Any, Any]:
    return row.certificates, row.crls, row.ocsps


def _digests(row: Any) -> list[bytes]:
    return [digest for digests in _parts(row) for digest in digests]


def _kept(contents: dict[bytes, bytes], digests: Iterable[bytes]) -> tuple[bytes, ...]:
    """The evidence that is there; a check that lacks some of it fails by itself."""
    found = (contents.get(bytes(digest), b"") for digest in digests)
    return tuple(content for content in found if content)


def _check_signatures(
    document: Document, accepted_at: datetime, signed: list[_Kept], verifier: Verifier
) -> None:
    pins = set()
    for one in signed:
        signer = verifier.verify(
            document.content, one.signature, us_of(one.signed_at), one.evidence
        )
        if signer.pin != one.officer.pin or signer.certificate_sha256 != one.certificate_sha256:
            raise SignatureRefusedError(
                f"the signature of {one.officer.name} was made by {signer.name} ({signer.pin})"
            )
        if not one.officer.served_at(one.signed_at) or one.signed_at > accepted_at:
            raise SignatureRefusedError(f"{one.officer.name} signed while not in service, or late")
        if one.officer.served_at(accepted_at):
            pins.add(signer.pin)
    if len(pins) < SIGNATURES_NEEDED:
        raise SignatureRefusedError(f"it needs {SIGNATURES_NEEDED} signatures and has {len(pins)}")


def _keep(  # noqa: PLR0913, PLR0917 - one row of the register
    connection: sa.Connection,
    order_id: int,
    officer: Officer,
    signature: bytes,
    signer: Signer,
    now_us: int,
) -> None:
    """Keep a signature and what its check rested on; a list that many rest on is kept once."""
    contents = {
        digest_of(content): content
        for content in (
            *signer.evidence.certificates,
            *signer.evidence.crls,
            *signer.evidence.ocsps,
        )
    }
    connection.execute(
        insert(tables.evidence).on_conflict_do_nothing(),
        [{"digest": digest, "content": content} for digest, content in contents.items()],
    )
    connection.execute(
        sa.insert(tables.signatures).values(
            order_id=order_id,
            officer_id=officer.id,
            signature=signature,
            certificate_sha256=signer.certificate_sha256,
            certificates=[digest_of(one) for one in signer.evidence.certificates],
            crls=[digest_of(one) for one in signer.evidence.crls],
            ocsps=[digest_of(one) for one in signer.evidence.ocsps],
            signed_at=moment_of(now_us),
        )
    )

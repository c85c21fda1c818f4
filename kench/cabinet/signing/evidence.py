"""What checks of certificates rested on, kept once by digest, for ever.

Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from kench.cabinet.signing.tables import evidence
from kench.pool.signature.trust import digest_of
from kench.pool.signature.verifier import Evidence


class Digests(NamedTuple):
    """By what the parts of an `Evidence` are known, in the same order."""

    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]


def keep_evidence(db: sa.Connection, kept: Evidence) -> Digests:
    """Keep it; a certificate or list that many checks rest on is kept once."""
    contents = {
        digest_of(content): content for content in (*kept.certificates, *kept.crls, *kept.ocsps)
    }
    if contents:
        db.execute(
            insert(evidence).on_conflict_do_nothing(),
            [{"digest": digest, "content": contents[digest]} for digest in sorted(contents)],
        )
    return Digests(
        *(tuple(map(digest_of, part)) for part in (kept.certificates, kept.crls, kept.ocsps))
    )


def read_contents(db: sa.Connection, digests: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return what is kept of these."""
    rows = db.execute(sa.select(evidence).where(evidence.c.digest.in_(set(digests))))
    return {bytes(digest): bytes(content) for digest, content in rows}

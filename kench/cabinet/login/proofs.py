"""Proofs of entries that nobody signed a text for: a certificate in TLS, the state's sign-on.

Every function takes a connection that is in a transaction and leaves the commit to its caller.
"""

import json
from collections.abc import Mapping

import sqlalchemy as sa

from kench.cabinet.login.logins import Way
from kench.cabinet.login.tables import entry_proofs
from kench.cabinet.signing.evidence import Digests
from kench.pool.moments import moment_of

NO_DIGESTS = Digests((), (), ())


def keep_proof(  # noqa: PLR0913 - one row
    db: sa.Connection,
    *,
    login_id: int,
    person_id: int,
    way: Way,
    now_us: int,
    digests: Digests = NO_DIGESTS,
    claims: Mapping[str, object] | None = None,
    token_sha256: bytes | None = None,
) -> None:
    """Keep by what somebody entered; of a token its digest and claims, never itself."""
    text = json.dumps(claims or {}, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    db.execute(
        sa.insert(entry_proofs).values(
            login_id=login_id,
            person_id=person_id,
            way=way,
            claims=text,
            token_sha256=token_sha256,
            certificates=list(digests.certificates),
            crls=list(digests.crls),
            ocsps=list(digests.ocsps),
            at=moment_of(now_us),
        )
    )

"""Whom an id_token proves: its signature, for whom and when it was made, and who is in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jws import JWSRegistry

from kench.cabinet.login.persons import NAME_MAX
from kench.cabinet.sign_on.provider import SIGNED_BY, Key
from kench.cabinet.sign_on.refusals import Refusal, SignOnError
from kench.pool.signature.pin import InvalidPinError, check_pin

TOKEN_BYTES_MAX = 64 * 1024
LEEWAY_S = 60
"""By so much the sign-on's clock and ours may differ."""
KEPT = ("iss", "sub", "aud", "azp", "iat", "exp", "nonce", "auth_time", "acr", "amr", "jti")
"""Claims that are kept as proof, beside the personal number and the name."""
CLAIM_MAX = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an id_token must say."""

    issuer: str
    client_id: str
    nonce: str
    asked_s: int
    """It was made after this."""
    now_s: int
    access_token: str | None


@dataclass(frozen=True, slots=True)
class Named:
    """A person as the sign-on names one."""

    pin: str
    name: str


def check_id_token(
    token: str, wanted: Wanted, key_of: Callable[[str | None], Key]
) -> dict[str, Any]:
    """Return the claims of an id_token that is for us, now; raises SignOnError."""
    if len(token) > TOKEN_BYTES_MAX:
        raise _bad(f"it has more than {TOKEN_BYTES_MAX} bytes")

    def find(signed: Any) -> Key:
        header = signed.headers()
        if header.get("alg") not in SIGNED_BY:
            raise _bad("it is not signed with RS256 or ES256")
        key_id = header.get("kid")
        if not isinstance(key_id, str | None):
            raise _bad("its key has no name")
        return key_of(key_id)

    registry = JWSRegistry(algorithms=sorted(SIGNED_BY))
    registry.max_payload_length = TOKEN_BYTES_MAX
    try:
        read = jwt.decode(token, find, algorithms=sorted(SIGNED_BY), registry=registry)
        claims = CodeIDToken(
            read.claims,
            read.header,
            {
                "iss": {"essential": True, "value": wanted.issuer},
                "aud": {"essential": True, "value": wanted.client_id},
                "nonce": {"essential": True, "value": wanted.nonce},
            },
            {
                "nonce": wanted.nonce,
                "client_id": wanted.client_id,
                "access_token": wanted.access_token,
            },
        )
        claims.validate(now=wanted.now_s, leeway=LEEWAY_S)
    except SignOnError:
        raise
    except Exception as error:
        # The parsers read what somebody else wrote, and say in many ways that it is wrong.
        raise _bad(_why(error)) from error
    made = claims["iat"]
    if not isinstance(made, int | float) or made < wanted.asked_s - LEEWAY_S:
        raise _bad("it was made before it was asked for")
    return dict(claims)


def person_in(claims: dict[str, Any], pin_claim: str, name_claim: str) -> Named:
    """Return who is in them; raises SignOnError."""
    pin = claims.get(pin_claim)
    if not isinstance(pin, str):
        raise SignOnError(Refusal.PERSON, f"the sign-on gives no claim {pin_claim!r}")
    try:
        check_pin(pin)
    except InvalidPinError as error:
        # The number itself is in the message: it is nobody's, but not for the log either.
        raise SignOnError(
            Refusal.PERSON, f"claim {pin_claim!r} of the sign-on is no personal number"
        ) from error
    name = claims.get(name_claim)
    if not isinstance(name, str):
        parts = (claims.get("family_name"), claims.get("given_name"), claims.get("middle_name"))
        name = " ".join(part for part in parts if isinstance(part, str))
    seen = "".join(letter for letter in name if letter.isprintable()).strip()
    return Named(pin, seen[:NAME_MAX] or "(no name)")


def proof_of(claims: dict[str, Any], named: Named) -> dict[str, object]:
    """Return what is kept of the claims, bounded; nothing else of the person's is."""
    kept: dict[str, object] = {
        name: claims[name]
        for name in KEPT
        if len(str(claims.get(name, ""))) <= CLAIM_MAX and name in claims
    }
    return kept | {"pin": named.pin, "name": named.name}


def _bad(why: str) -> SignOnError:
    return SignOnError(Refusal.TOKEN, f"the id_token is refused: {why}")


def _why(error: Exception) -> str:
    """Say what is wrong, without the values of the token."""
    claim = getattr(error, "claim", None)
    kind = type(error).__name__
    return f"{kind} ({claim})" if isinstance(claim, str) and claim.isidentifier() else kind

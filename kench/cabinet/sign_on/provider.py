"""The sign-on's server: what it says of itself, its keys, tokens for a code.

Everything is fetched in the thread of whoever enters, bounded in time and bytes, without following
redirects; what it says of itself and its keys are kept for an hour. Not for an event loop's thread.
"""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.jwk import ECKey, RSAKey, import_key

from kench.cabinet.sign_on.refusals import Refusal, SignOnError
from kench.pool.clock import Clock
from kench.pool.origins import is_loopback
from kench.pool.signature.fetching import FetchError, fetch

KEPT_S = 3600.0
AGAIN_S = 10.0
"""After a question that was not answered, nobody else asks it for so long."""
KEYS_AGAIN_S = 60.0
"""For a key that is not among those known, they are fetched anew so often at most."""
ANSWER_BYTES_MAX = 256 * 1024
KEYS_MAX = 32
RSA_BITS_MIN = 2048
CURVE = "P-256"
AT_ONCE = 3
"""Entries that wait for the sign-on at once; pages have the other threads."""
TURN_S = 0.5
FORM = "application/x-www-form-urlencoded"
DISCOVERY = "/.well-known/openid-configuration"
SIGNED_BY = frozenset({"RS256", "ES256"})
POST, BASIC = "client_secret_post", "client_secret_basic"
CODE_MAX = 2048

Key = RSAKey | ECKey

log = structlog.get_logger("cabinet")


@dataclass(frozen=True, slots=True)
class Client:
    """Who we are at the sign-on, and what we ask it."""

    issuer: str
    id: str
    secret: str
    scopes: tuple[str, ...]
    redirect_uri: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the sign-on says of itself."""

    authorization: str
    token: str
    keys: str
    userinfo: str | None
    posts_secret: bool
    names_itself: bool
    """Its answers say whose they are (RFC 9207)."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a code was exchanged for; kept nowhere."""

    id_token: str
    access_token: str | None


class Provider:
    """One sign-on, for any thread."""

    def __init__(self, client: Client, clock: Clock) -> None:
        """Create it with nothing fetched yet."""
        self.client = client
        self._clock = clock
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._metadata: Metadata | None = None
        self._metadata_until_s = 0.0
        self._keys: dict[str | None, Key] = {}
        self._keys_until_s = 0.0
        self._keys_asked_s = float("-inf")
        self._fault: SignOnError | None = None
        self._fault_until_s = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait a little for a turn; raises SignOnError where there is none."""
        if not self._turns.acquire(timeout=TURN_S):
            raise SignOnError(Refusal.BUSY, "too many entries wait for the sign-on")
        try:
            yield
        finally:
            self._turns.release()

    def metadata(self) -> Metadata:
        """Return what it says of itself; raises SignOnError."""
        with self._lock:
            if self._metadata is None or self._clock.monotonic() >= self._metadata_until_s:
                self._metadata = self._once(self._fetch_metadata)
                self._metadata_until_s = self._clock.monotonic() + KEPT_S
            return self._metadata

    def authorization_url(self, *, state: str, nonce: str, verifier: str) -> str:
        """Return where the browser goes to; raises SignOnError."""
        url: str = prepare_grant_uri(
            self.metadata().authorization,
            self.client.id,
            "code",
            redirect_uri=self.client.redirect_uri,
            scope=" ".join(self.client.scopes),
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return url

    def exchange(self, code: str, verifier: str) -> Tokens:
        """Return tokens for a code; raises SignOnError."""
        metadata = self.metadata()
        given = {"code": code, "code_verifier": verifier}
        headers = []
        if metadata.posts_secret:
            given |= {"client_id": self.client.id, "client_secret": self.client.secret}
        elif self.client.secret:
            pair = f"{quote(self.client.id, safe='')}:{quote(self.client.secret, safe='')}"
            headers = [("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")]
        else:
            given["client_id"] = self.client.id
        body: str = prepare_token_request(
            "authorization_code", redirect_uri=self.client.redirect_uri, **given
        )
        answer = self._ask(metadata.token, headers, body.encode())
        token, access = answer.get("id_token"), answer.get("access_token")
        if not isinstance(token, str) or not isinstance(access, str | None):
            raise SignOnError(Refusal.TOKEN, "the sign-on gave no id_token for the code")
        return Tokens(token, access)

    def person_of(self, tokens: Tokens) -> dict[str, Any]:
        """Return what it says of the person beside the id_token; empty where it says nothing."""
        url = self.metadata().userinfo
        if url is None or tokens.access_token is None or not tokens.access_token.isprintable():
            return {}
        return self._ask(url, [("Authorization", f"Bearer {tokens.access_token}")])

    def key(self, key_id: str | None) -> Key:
        """Return its key of that id; without one, its only key. Raises SignOnError."""
        metadata = self.metadata()
        with self._lock:
            now_s = self._clock.monotonic()
            stale = now_s >= self._keys_until_s
            if stale or (key_id not in self._keys and now_s >= self._keys_asked_s + KEYS_AGAIN_S):
                self._keys_asked_s = now_s
                self._keys = self._once(lambda: self._fetch_keys(metadata.keys))
                self._keys_until_s = now_s + KEPT_S
            if key_id is None and len(self._keys) == 1:
                return next(iter(self._keys.values()))
            if key_id is None or key_id not in self._keys:
                raise SignOnError(Refusal.TOKEN, "the id_token is signed by a key not known")
            return self._keys[key_id]

    def _once(self, fetched: "Callable[[], Any]") -> Any:
        """Fetch, unless that failed a moment ago; under the lock."""
        if self._fault is not None and self._clock.monotonic() < self._fault_until_s:
            raise SignOnError(self._fault.refusal, str(self._fault))
        try:
            came = fetched()
        except SignOnError as error:
            self._fault, self._fault_until_s = error, self._clock.monotonic() + AGAIN_S
            raise
        self._fault = None
        return came

    def _fetch_metadata(self) -> Metadata:
        issuer = self.client.issuer
        came = self._ask(issuer.rstrip("/") + DISCOVERY)
        if came.get("issuer") != issuer:
            raise _away("it names itself another issuer than oidc_issuer")
        algorithms = came.get("id_token_signing_alg_values_supported", ["RS256"])
        if not isinstance(algorithms, list) or not SIGNED_BY & {*map(str, algorithms)}:
            raise _away("it signs neither with RS256 nor ES256")
        challenges = came.get("code_challenge_methods_supported", ["S256"])
        if not isinstance(challenges, list) or "S256" not in challenges:
            raise _away("it does not know PKCE with S256")
        ways = came.get("token_endpoint_auth_methods_supported", [BASIC])
        return Metadata(
            _endpoint(came, "authorization_endpoint", issuer),
            _endpoint(came, "token_endpoint", issuer),
            _endpoint(came, "jwks_uri", issuer),
            _endpoint(came, "userinfo_endpoint", issuer) if "userinfo_endpoint" in came else None,
            isinstance(ways, list) and BASIC not in ways and POST in ways,
            came.get("authorization_response_iss_parameter_supported") is True,
        )

    def _fetch_keys(self, url: str) -> dict[str | None, Key]:
        came = self._ask(url).get("keys")
        if not isinstance(came, list) or not 1 <= len(came) <= KEYS_MAX:
            raise _away("it has no keys")
        keys: dict[str | None, Key] = {}
        for one in came:
            key = _key(one)
            if key is not None:
                keys[one.get("kid")] = key
        if not keys:
            raise _away("it has no key that id_tokens may be signed with")
        return keys

    def _ask(
        self, url: str, headers: list[tuple[str, str]] | None = None, body: bytes | None = None
    ) -> dict[str, Any]:
        """Return an answer, an object of JSON; raises SignOnError."""
        try:
            came = fetch(
                url,
                self._clock,
                timeout_s=self.client.timeout_s,
                bytes_max=ANSWER_BYTES_MAX,
                body=body,
                kind=FORM if body is not None else "",
                headers=[("Accept", "application/json"), *(headers or ())],
            )
            answer = json.loads(came)
        except FetchError as error:
            raise _away(str(error)) from error
        except (ValueError, RecursionError) as error:
            raise _away(f"{url} answers with no JSON") from error
        if not isinstance(answer, dict):
            raise _away(f"{url} answers with no object of JSON")
        return answer


def _away(why: str) -> SignOnError:
    return SignOnError(Refusal.AWAY, f"the sign-on: {why}")


def _endpoint(metadata: dict[str, Any], name: str, issuer: str) -> str:
    """Return an address of the sign-on: by TLS, but where it is on this machine itself."""
    url = metadata.get(name)
    if not isinstance(url, str) or len(url) > CODE_MAX or not url.isascii():
        raise _away(f"it has no {name}")
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise _away(f"its {name} is no address") from None
    here = urlsplit(issuer).scheme == "http" and is_loopback(host)
    if not host or parts.username is not None or parts.fragment or not url.isprintable():
        raise _away(f"its {name} is no address")
    if parts.scheme != "https" and not (here and parts.scheme == "http"):
        raise _away(f"its {name} is not of https")
    return url


def _key(one: Any) -> Key | None:
    """Return a public key that an id_token may be signed with; None for any other."""
    if not isinstance(one, dict) or one.get("use", "sig") != "sig":
        return None
    if not isinstance(one.get("kid"), str | None) or one.get("kty") not in {"RSA", "EC"}:
        return None
    try:
        key = import_key({name: one[name] for name in one if name != "d"})
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is no key of use
        log.warning("a key of the sign-on cannot be read")
        return None
    if isinstance(key, RSAKey):
        return key if key.raw_value.key_size >= RSA_BITS_MIN else None
    return key if isinstance(key, ECKey) and key.curve_name == CURVE else None

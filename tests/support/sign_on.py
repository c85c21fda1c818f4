"""A sign-on (OpenID provider) on loopback, strict about its clients, that does wrong when asked to.

It shares no code with what is tested: tokens are put together by hand.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from tests.support.pki import NOW_US, PIN
from tests.support.web_servers import serving

CLIENT_ID, CLIENT_SECRET = "kench", "s:cr et/+"
NOW_S = NOW_US // 1_000_000
Claims = dict[str, Any]


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """The key of that name, the same throughout the run."""
    del name
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    """The key of that name, the same throughout the run."""
    del name
    return ec.generate_private_key(ec.SECP256R1())


def b64(data: bytes) -> str:
    """As tokens have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int) -> str:
    """A number as keys have it."""
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def public_rsa(key: rsa.RSAPrivateKey, kid: str, **more: str) -> Claims:
    """A key as the sign-on publishes it."""
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "kid": kid, "n": number(numbers.n), "e": number(numbers.e)} | more


def public_ec(key: ec.EllipticCurvePrivateKey, kid: str) -> Claims:
    """A key as the sign-on publishes it."""
    numbers = key.public_key().public_numbers()
    x, y = (b64(one.to_bytes(32, "big")) for one in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y, "use": "sig"}


def rs256(signed: bytes, key: rsa.RSAPrivateKey | None = None) -> bytes:
    """Sign as RS256 does."""
    return (key or rsa_key("sign-on")).sign(signed, padding.PKCS1v15(), hashes.SHA256())


def es256(signed: bytes) -> bytes:
    """Sign as ES256 does."""
    r, s = decode_dss_signature(ec_key("sign-on").sign(signed, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def hs256(signed: bytes) -> bytes:
    """Sign with the public key as if it were a secret."""
    secret = (
        rsa_key("sign-on")
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return hmac.digest(secret, signed, "sha256")


@dataclass
class SignOn:
    """The provider; what a test sets of it is what it does wrong."""

    url: str = ""
    redirect_uri: str = "http://127.0.0.1:8080/enter/sign-on/answer"
    claims: Callable[[Claims], Claims] = lambda claims: claims
    header: Claims = field(default_factory=dict)
    signed: Callable[[bytes], bytes] = rs256
    keys: list[Claims] | None = None
    metadata: Claims = field(default_factory=dict)
    answer: Callable[[Claims], Claims] = lambda parameters: parameters
    instead: dict[str, Any] = field(default_factory=dict)
    """Answers of whole pages, by path: a Response, or seconds to be late by."""
    userinfo: Claims | None = None
    pin: str = PIN
    asked: list[str] = field(default_factory=list)
    codes: dict[str, Claims] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = scope["path"]
        self.asked.append(path)
        instead = self.instead.get(path)
        if isinstance(instead, float):
            await asyncio.sleep(instead)
        handlers = {
            "/.well-known/openid-configuration": self.describe,
            "/keys": self.show_keys,
            "/authorize": self.authorize,
            "/token": self.give,
            "/userinfo": self.tell,
        }
        form = (await request.body()).decode()
        response = instead if isinstance(instead, Response) else handlers[path](request, form)
        await response(scope, receive, send)

    def consent(self, url: str) -> str:
        """Be the person's browser at the sign-on: agree, and return where it leads back."""
        came = httpx.get(url, follow_redirects=False)
        assert came.status_code == 302, came.text
        return came.headers["location"]

    def describe(self, _request: Request, _form: str) -> Response:
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
                "userinfo_endpoint": f"{self.url}/userinfo",
                "id_token_signing_alg_values_supported": ["RS256", "ES256"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
            | self.metadata
        )

    def show_keys(self, _request: Request, _form: str) -> Response:
        keys = self.keys or [
            public_rsa(rsa_key("sign-on"), "one", use="sig", alg="RS256"),
            public_ec(ec_key("sign-on"), "two"),
        ]
        return JSONResponse({"keys": keys})

    def authorize(self, request: Request, _form: str) -> Response:
        given = request.query_params
        wrong = [
            name
            for name, value in {
                "client_id": CLIENT_ID,
                "redirect_uri": self.redirect_uri,
                "response_type": "code",
                "code_challenge_method": "S256",
            }.items()
            if given.get(name) != value
        ]
        if wrong or len(given.get("code_challenge", "")) != 43 or "openid" not in given["scope"]:
            return Response(f"wrong: {wrong}", 400)
        code = f"code{next(self.numbers)}"
        self.codes[code] = dict(given)
        answer = self.answer({"code": code, "state": given["state"], "iss": self.url})
        return RedirectResponse(f"{self.redirect_uri}?{urlencode(answer, doseq=True)}", 302)

    def give(self, request: Request, form: str) -> Response:
        given = {name: values[0] for name, values in parse_qs(form).items()}
        name, secret = given.get("client_id"), given.get("client_secret")
        if "authorization" in request.headers:
            pair = base64.b64decode(request.headers["authorization"].partition(" ")[2]).decode()
            name, _, secret = (unquote(part) for part in pair.partition(":"))
        if (name, secret) != (CLIENT_ID, CLIENT_SECRET):
            return JSONResponse({"error": "invalid_client"}, 401)
        asked = self.codes.pop(given.get("code", ""), None)
        challenge = b64(hashlib.sha256(given.get("code_verifier", "").encode()).digest())
        if (
            asked is None
            or given.get("grant_type") != "authorization_code"
            or given.get("redirect_uri") != asked["redirect_uri"]
            or challenge != asked["code_challenge"]
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        access = "access-token"
        return JSONResponse(
            {"access_token": access, "token_type": "Bearer", "id_token": self.token(asked, access)}
        )

    def token(self, asked: Claims, access: str) -> str:
        """An id_token, as wrong as a test wants it."""
        claims = self.claims(
            {
                "iss": self.url, "sub": "subject-1", "aud": CLIENT_ID, "nonce": asked["nonce"],
                "iat": NOW_S, "exp": NOW_S + 300, "name": "Асан Усенов", "pin": self.pin,
                "at_hash": b64(hashlib.sha256(access.encode()).digest()[:16]),
                "email": "person@example.kg",
            }
        )  # fmt: skip
        whole = {"alg": "RS256", "typ": "JWT", "kid": "one"} | self.header
        header = {name: value for name, value in whole.items() if value is not None}
        signed = ".".join(b64(json.dumps(part).encode()) for part in (header, claims)).encode()
        return f"{signed.decode()}.{b64(self.signed(signed))}"

    def tell(self, request: Request, _form: str) -> Response:
        if request.headers.get("authorization") != "Bearer access-token":
            return Response(status_code=401)
        return JSONResponse(self.userinfo or {"sub": "subject-1"})


@contextlib.contextmanager
def sign_on() -> Iterator[SignOn]:
    """Serve one."""
    made = SignOn()
    with serving(made) as url:
        made.url = url
        yield made

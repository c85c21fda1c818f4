"""The development authority over HTTP: its list of revoked certificates, and an OCSP responder."""

import base64
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kench.pki.authority import CRL_FILE, Authority

REQUEST_BYTES_MAX = 4096
VALID = timedelta(minutes=10)
_ANSWER = "application/ocsp-response"


class PkiServer:
    """`/crl`, `/root` and `/ocsp` (RFC 6960, by POST and GET) as a Starlette application."""

    def __init__(self, authority: Authority) -> None:
        """Create it; `app` is what a server runs."""
        self._authority = authority
        self.app = Starlette(
            routes=[
                Route("/healthz", self._healthz),
                Route("/crl", self._crl),
                Route("/root", self._root),
                Route("/ocsp", self._post, methods=["POST"]),
                Route("/ocsp/{question:path}", self._get),
            ]
        )

    async def _healthz(self, _request: Request) -> Response:
        return JSONResponse({"serves": True})

    async def _crl(self, _request: Request) -> Response:
        path = self._authority.folder / CRL_FILE
        content = await run_in_threadpool(path.read_bytes)
        made = x509.load_pem_x509_crl(content).public_bytes(serialization.Encoding.DER)
        return Response(made, media_type="application/pkix-crl")

    async def _root(self, _request: Request) -> Response:
        certificate = await run_in_threadpool(lambda: self._authority.certificate)
        made = certificate.public_bytes(serialization.Encoding.DER)
        return Response(made, media_type="application/pkix-cert")

    async def _post(self, request: Request) -> Response:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > REQUEST_BYTES_MAX:
                return Response(status_code=413)
        return await self._answer(bytes(body))

    async def _get(self, request: Request) -> Response:
        try:
            question = base64.b64decode(request.path_params["question"], validate=True)
        except ValueError:
            return Response(status_code=400)
        return await self._answer(question)

    async def _answer(self, question: bytes) -> Response:
        answer = await run_in_threadpool(answer_of, self._authority, question)
        return Response(answer, media_type=_ANSWER, headers={"Cache-Control": "no-store"})


def answer_of(authority: Authority, question: bytes) -> bytes:
    """Return the responder's answer to a question, both DER; the root itself signs."""
    try:
        asked = ocsp.load_der_ocsp_request(question)
        # Who asks about another's certificates gives other hashes than of our name and key.
        ours = ocsp.OCSPRequestBuilder().add_certificate(
            authority.certificate, authority.certificate, asked.hash_algorithm
        )
        nonces = [one.value for one in asked.extensions if isinstance(one.value, x509.OCSPNonce)]
    except (ValueError, TypeError, NotImplementedError, UnsupportedAlgorithm):
        # Also several questions at once, and hashes that nobody uses.
        return _fault(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
    mine = ours.build()
    if (asked.issuer_name_hash, asked.issuer_key_hash) != (
        mine.issuer_name_hash,
        mine.issuer_key_hash,
    ):
        return _fault(ocsp.OCSPResponseStatus.UNAUTHORIZED)
    now = datetime.fromtimestamp(authority.clock.now_us() // 1_000_000, UTC)
    known = {one.serial: one for one in authority.issued()}
    found = known.get(asked.serial_number)
    revoked_at = found.revoked_at if found else None
    if found is None:
        status = ocsp.OCSPCertStatus.UNKNOWN
    else:
        status = ocsp.OCSPCertStatus.REVOKED if revoked_at else ocsp.OCSPCertStatus.GOOD
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response_by_hash(
            asked.issuer_name_hash,
            asked.issuer_key_hash,
            asked.serial_number,
            asked.hash_algorithm,
            status,
            this_update=now,
            next_update=now + VALID,
            revocation_time=revoked_at,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, authority.certificate)
    )
    for nonce in nonces:
        builder = builder.add_extension(nonce, critical=False)
    answer = builder.sign(authority.key, hashes.SHA256())
    return answer.public_bytes(serialization.Encoding.DER)


def _fault(status: ocsp.OCSPResponseStatus) -> bytes:
    answer = ocsp.OCSPResponseBuilder.build_unsuccessful(status)
    return answer.public_bytes(serialization.Encoding.DER)

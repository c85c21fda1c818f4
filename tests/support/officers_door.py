"""A cabinet with both its doors on loopback, and browsers that come with a certificate."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from kench.cabinet.cabinet import Cabinet
from kench.cabinet.door import Door, Doors, DoorServer, context_of
from kench.cabinet.web.app import make_app
from kench.cabinet.web.officers import make_officers_app
from kench.pki.authority import Authority
from kench.pki.people import PASSWORD, Holder
from kench.pool.clock import SystemClock
from kench.pool.orders.verifying import certificates_of, lists_of, roots_of, verifier_of
from kench.pool.settings import Settings
from kench.pool.signature.lists import FreshLists
from tests.support.cabinet import cabinet_of, token_in
from tests.support.web_servers import STOP_LIMIT_S

REGTEST = "regtest"


@dataclass(frozen=True)
class Site:
    """Both doors, and what they know of revocations."""

    cabinet: Cabinet
    lists: FreshLists
    url: str
    settings: Settings


@contextlib.contextmanager
def served_doors(database: str, authority: Authority) -> Iterator[Site]:
    """Serve the cabinet as `kench cabinet` does, by the authority's folder."""
    plain, officers = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    certificate, key = authority.certify_door()
    given = {
        "cabinet_port": plain.getsockname()[1],
        "cabinet_officers_port": officers.getsockname()[1],
        "cabinet_officers_certificate": certificate,
        "cabinet_officers_key": key,
        "signature_roots": (authority.folder / "root.pem",),
        "signature_crls": (authority.folder / "crl.pem",),
    }
    with cabinet_of(database, clock=SystemClock(), **given) as made:
        settings = made.settings
        lists = lists_of(settings, made.clock)
        cabinet = replace(made, verifier=verifier_of(settings, lists=lists))
        people = make_app(cabinet)
        checker = certificates_of(settings, lambda: REGTEST, lists)
        app = Doors(people, make_officers_app(people, settings.officers_origin, checker))
        config = uvicorn.Config(
            app, loop="uvloop", http="h11", log_config=None, access_log=False,
            server_header=False, timeout_graceful_shutdown=1,
        )  # fmt: skip
        door = Door(officers, context_of(certificate, key, roots_of(settings)))
        server = DoorServer(config, door)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [plain]}, daemon=True)
        thread.start()
        try:
            yield Site(cabinet, lists, settings.officers_origin, settings)
        finally:
            server.should_exit = True
            thread.join(STOP_LIMIT_S)
            plain.close()
            officers.close()
            assert not thread.is_alive()


class Visitor(httpx.Client):
    """A browser without scripts, which shows the certificate of a .p12 file, or none."""

    def __init__(self, url: str, root: Path, holder: Holder | None = None) -> None:
        context = ssl.create_default_context(cafile=str(root))
        if holder is not None:
            context.load_cert_chain(pem_of(holder))
        super().__init__(
            verify=context, base_url=url, timeout=STOP_LIMIT_S,
            headers={"Accept-Language": "en"},
        )  # fmt: skip

    def post_form(self, path: str, *, page: str = "/enter", **fields: str) -> httpx.Response:
        """Send a form of a page."""
        data = {"csrf": token_in(self.get(page))} | fields
        origin = str(self.base_url).rstrip("/")
        return self.post(path, data=data, headers={"Origin": origin})


def pem_of(holder: Holder) -> Path:
    """Return what is in the .p12 file as OpenSSL reads it."""
    key, certificate, _ = pkcs12.load_key_and_certificates(
        holder.p12_path.read_bytes(), PASSWORD.encode()
    )
    assert key is not None
    assert certificate is not None
    path = holder.p12_path.with_suffix(".both")
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path

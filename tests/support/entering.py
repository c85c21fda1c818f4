"""Entering and signing through the pages, as a person with a program that signs files does."""

import re

import httpx

from kench.cabinet.cabinet import Cabinet
from tests.support.cabinet import Client
from tests.support.pki import Person
from tests.support.signing import signer


def asked(client: Client, next_path: str = "") -> str:
    """Ask to enter; returns the address of the text to sign."""
    came = client.post_form("/enter", next=next_path)
    assert came.status_code == 303, came.text
    path = came.headers["location"]
    assert re.fullmatch(r"/sign/[0-9a-f]{32}", path)
    return path


def signed(client: Client, path: str, person: Person | None = None) -> httpx.Response:
    """Download the text of a signing page, sign it elsewhere, and hand the signature in."""
    content = client.get(f"{path}/content").content
    return handed_in(client, path, (person or signer()).sign(content))


def handed_in(client: Client, path: str, signature: bytes) -> httpx.Response:
    """Hand a signature in."""
    return client.post_form(path, files={"signature": ("text.p7s", signature)})


def entered(client: Client, person: Person | None = None) -> Client:
    """Enter; the client is logged in then."""
    came = signed(client, asked(client), person)
    assert came.status_code == 303, came.text
    return client


def acts_in(cabinet: Cabinet) -> list[tuple[str, str, str]]:
    """The whole trail: act, outcome, subject."""
    with cabinet.engine.connect() as db:
        rows = db.exec_driver_sql("SELECT act, outcome, subject FROM acts ORDER BY id")
        return [(row.act, row.outcome, row.subject) for row in rows]

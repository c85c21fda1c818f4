"""An extract as files that anybody can check with OpenSSL: JSON, and what a PDF encloses."""

import base64
import ssl
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from kench.cabinet.registration.bodies import data_of
from kench.cabinet.registry.extracts import Extract, ExtractLine
from kench.cabinet.signing.acts import ActUnsoundError, SignedAct, read_act, read_evidence
from kench.cabinet.web.paper import Enclosed

CHECK = (
    "openssl cms -verify -binary -inform DER -in extract.p7s -content extract.txt "
    "-CAfile root.pem -certfile chain.pem -purpose any -attime {seconds} -out /dev/null"
)


class Signed(NamedTuple):
    """An extract with its act and the certificates of who signed."""

    line: ExtractLine
    extract: Extract
    act: SignedAct
    certificates: tuple[bytes, ...]

    @property
    def check(self) -> str:
        """The command that checks the signature."""
        return CHECK.format(seconds=self.act.signed_us // 1_000_000)

    @property
    def name(self) -> str:
        """Of its files, without what they end in."""
        return f"kench-extract-{self.line.participant_id}-{self.line.id}"


def read_signed(db: sa.Connection, line: ExtractLine) -> Signed:
    """Return an extract as it was signed; raises ActUnsoundError."""
    act = read_act(db, line.act_id)
    if act is None:
        raise ActUnsoundError(f"extract {line.id} has no signed act: restore a backup")
    evidence = read_evidence(db, act.id)
    return Signed(line, data_of(act.content, Extract), act, evidence.certificates)


def json_of(signed: Signed) -> bytes:
    """Return the extract as JSON, with the signed text and its signature."""
    return msgspec.json.format(
        msgspec.json.encode(
            {
                "kench_signed_extract": 1,
                "number": signed.line.id,
                "extract": signed.extract,
                "signed_text": signed.act.content.decode(),
                "signature_cms": base64.b64encode(signed.act.signature).decode(),
                "certificates": [ssl.DER_cert_to_PEM_cert(one) for one in signed.certificates],
                "signer": {"name": signed.act.person.name, "pin": signed.act.person.pin},
                "check": signed.check,
            }
        )
    )


def enclosed_in(signed: Signed) -> list[Enclosed]:
    """Return what its PDF encloses: all that the check needs."""
    chain = [ssl.DER_cert_to_PEM_cert(one).encode() for one in signed.certificates]
    data = signed.act.content.decode().rstrip("\n").rpartition("\n")[2].encode()
    return [
        Enclosed("extract.json", data, "The extract as data"),
        Enclosed("extract.txt", signed.act.content, "The exact text that was signed"),
        Enclosed("extract.p7s", signed.act.signature, "The detached signature (CMS, DER)"),
        Enclosed("chain.pem", b"".join(chain), "The signer's certificate and its authorities'"),
        Enclosed("root.pem", chain[-1] if chain else b"", "The root alone"),
    ]

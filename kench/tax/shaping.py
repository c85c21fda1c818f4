"""What is answered, as JSON: pages of records byte for byte, the rest encoded here.

Outside records no value is ever null: what there is none of is left out.
"""

import base64
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from kench.pool.moments import moment_text, us_of

SUMS = (
    "records", "participants", "accrued_sat", "sold_sat", "gross_tyiyn", "venue_fee_tyiyn",
    "pool_fee_tyiyn", "net_tyiyn", "paid_tyiyn",
)  # fmt: skip


def page_json(head: dict[str, Any], items: list[bytes], following: str | None) -> bytes:
    """Return a page of records; `following` is the cursor of the next, if there is one."""
    begin = "".join(f'"{name}":{_json(value).decode()},' for name, value in head.items())
    end = f',"next":{_json(following).decode()}' if following is not None else ""
    return b"".join(
        (b"{", begin.encode(), b'"records":[', b",".join(items), b"]", end.encode(), b"}")
    )


def period_dict(row: sa.Row[Any]) -> dict[str, Any]:
    """Return a period's state as it was signed."""
    told: dict[str, Any] = {
        "period": row.period,
        "version": row.version,
        "state": row.kind,
        "at": moment_text(us_of(row.at)),
        "digest": bytes(row.digest).hex(),
        "totals": {name: getattr(row, name) for name in SUMS},
    }
    if row.order_number is not None:
        told["order"] = row.order_number
    return told


def signature_dict(row: sa.Row[Any]) -> dict[str, Any]:
    """Return what one officer signed, with all that shows who it was."""
    return {
        "signed_at": moment_text(us_of(row.signed_at)),
        "content": _base64(row.content),
        "signature": _base64(row.signature),
        "certificates": [_base64(one) for one in row.certificates],
        "crls": [_base64(one) for one in row.crls],
        "ocsps": [_base64(one) for one in row.ocsps],
    }


def entry_dict(row: sa.Row[Any]) -> dict[str, Any]:
    """Return an entry of the register."""
    told = {
        "participant": row.participant_id,
        "version": row.version,
        "entered_at": moment_text(us_of(row.entered_at)),
        "state": row.state,
        "kind": row.kind,
        "name": row.name,
        "tax_number": row.tax_number,
        "certificate": row.certificate_number,
        "certificate_issued": row.certificate_issued,
    }
    return {name: value for name, value in told.items() if value is not None}


def plain_json(value: object) -> bytes:
    """Return anything else."""
    return _json(value)


def listed_json(name: str, values: Sequence[object], following: str | None) -> bytes:
    """Return a list under its name, and the cursor of what follows."""
    return _json({name: values} | ({"next": following} if following is not None else {}))


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


def _base64(content: bytes) -> str:
    return base64.b64encode(bytes(content)).decode()

"""The API's description, OpenAPI 3.0.3: `python -m kench.tax.description > docs/tax-api.json`.

Security servers of X-Road read 3.0 everywhere, 3.1 in new versions only.
"""

import json
import sys
from functools import cache
from typing import Any

from kench import __version__
from kench.pool.tax_settings import PAGE_MAX
from kench.tax.problems import MEDIA_TYPE
from kench.tax.schemas import (
    CURSOR_EXAMPLE,
    DAY,
    DOC_REF_EXAMPLE,
    DOC_REF_TEXT,
    NEXT,
    PERIOD_TEXT,
    SCHEMAS,
    SHA256,
    TAX_NUMBER,
    Schema,
    ref,
    text,
)

WORDS = (
    "Income of the participants of the Unified State System of Collective Mining, for the tax "
    "service. Asked over X-Road (REST, message protocol r1): the security server tells X-Road-"
    "Client and X-Road-Id. Amounts are satoshi and tyiyn, days those of Bishkek. Only what "
    "is in a closed period is handed over; each record is kept for ever as it is, a correction is "
    "a further record."
)
REFUSALS = ("400", "403", "404", "408", "413", "415", "422", "429", "500", "503")
RECORD: Schema = {
    "accruals": [],
    "asset": "BTC",
    "corrects": None,
    "day": "2026-10-05",
    "doc_ref": DOC_REF_EXAMPLE,
    "doc_type": "new",
    "electricity_declared_kwh": 1200,
    "kench_income": 1,
    "official_rate": None,
    "participant": {"id": 7, "name": "Асанов Үсөн", "tax_number": "12345678901234"},
    "payouts": [],
    "period": "2026-10",
    "sales": [],
    "software": "kench",
    "timezone": "Asia/Bishkek",
    "totals": {
        "accrued_sat": 1250000,
        "sold_sat": 1250000,
        "gross_tyiyn": 10000000,
        "venue_fee_tyiyn": 15000,
        "pool_fee_tyiyn": 200000,
        "net_tyiyn": 9785000,
        "paid_tyiyn": 0,
    },
    "write_offs": [],
}
ITEM = {"sha256": SHA256, "record": RECORD}
PERIOD = {
    "period": "2026-10",
    "version": 1,
    "state": "closed",
    "at": "2026-11-03T10:15:00+06:00",
    "digest": SHA256,
    "totals": {
        "records": 310,
        "participants": 10,
        "accrued_sat": 387500000,
        "sold_sat": 387500000,
        "gross_tyiyn": 3100000000,
        "venue_fee_tyiyn": 4650000,
        "pool_fee_tyiyn": 62000000,
        "net_tyiyn": 3033350000,
        "paid_tyiyn": 3000000000,
    },
}
SIGNED = {
    "signed_at": "2026-11-03T10:14:00+06:00",
    "content": "0J/QtdGA0LjQvtC0",
    "signature": "MIIGzwYJKoZI",
    "certificates": ["MIIC2jCC"],
    "crls": [],
    "ocsps": [],
}


@cache
def description() -> dict[str, Any]:
    """Return the document."""
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Kench: income for the tax service",
            "version": __version__,
            "description": WORDS,
            "license": {"name": "State system of the Kyrgyz Republic"},
        },
        "servers": [{"url": "/", "description": "Behind the security server."}],
        "tags": [
            {"name": "periods", "description": "What was closed, and by whose signatures."},
            {"name": "records", "description": "Income records."},
            {"name": "receipts", "description": "What became of them."},
            {"name": "register", "description": "The Electronic Register of Miners."},
        ],
        "paths": {
            "/v1/periods": _reading(
                "periods", "listPeriods", "Periods that were closed once", "Periods",
                {"periods": [PERIOD]}, [],
            ),
            "/v1/periods/{period}": _reading(
                "periods", "showPeriod", "One period, with what officers signed", "PeriodWhole",
                PERIOD | {"closings": [PERIOD | {"signatures": [SIGNED, SIGNED]}]},
                [_inside("period", PERIOD_TEXT, "2026-10")],
            ),
            "/v1/income-reports": _reading(
                "records", "listIncomeReports", "Records of a closed period", "ReportsPage",
                {"period": "2026-10", "version": 1, "records": [ITEM], "next": CURSOR_EXAMPLE},
                [_asked("period", PERIOD_TEXT, needed=True), _asked("cursor", NEXT), LIMIT],
            ),
            "/v1/income-reports/{doc_ref}": _reading(
                "records", "showIncomeReport", "One record", "Item", ITEM,
                [_inside("doc_ref", DOC_REF_TEXT, DOC_REF_EXAMPLE)],
            ),
            "/v1/income-reports/status": _receipts(),
            "/v1/participants/{pin}/income": _reading(
                "records", "listParticipantIncome",
                "Records of the participant with this tax number", "Page", {"records": [ITEM]},
                [
                    _inside("pin", TAX_NUMBER, "12345678901234"),
                    _asked("from", DAY, needed=True),
                    _asked("to", DAY, needed=True),
                    _asked("cursor", NEXT),
                    LIMIT,
                ],
            ),
            "/v1/corrections": _reading(
                "records", "listCorrections",
                "Corrections in the order of their release: go on from `next`, whenever",
                "CorrectionsPage", {"records": [], "next": CURSOR_EXAMPLE},
                [_asked("since", NEXT), LIMIT],
            ),
            "/v1/register-entries": _reading(
                "register", "listRegisterEntries", "Entries in force", "Entries",
                {"entries": [ENTRY]}, [_asked("cursor", NEXT), LIMIT],
            ),
        },
        "components": {
            "schemas": SCHEMAS,
            "parameters": HEADERS,
            "responses": {
                "Problem": {
                    "description": "Why nothing was handed over.",
                    "content": {MEDIA_TYPE: {"schema": ref("Problem")}},
                }
            },
        },
    }  # fmt: skip


ENTRY = {
    "participant": 7,
    "version": 1,
    "entered_at": "2026-09-15T09:00:00+06:00",
    "state": "registered",
    "kind": "person",
    "name": "Асанов Үсөн",
    "tax_number": "12345678901234",
    "certificate": "М-0007",
    "certificate_issued": "2026-08-01",
}
HEADERS = {
    "Client": {
        "name": "X-Road-Client",
        "in": "header",
        "required": True,
        "description": "Set by the security server: who asks.",
        "schema": text("[^/]{1,255}(?:/[^/]{1,255}){2,3}", "KG/GOV/12345678/taxes"),
    },
    "Id": {
        "name": "X-Road-Id",
        "in": "header",
        "required": True,
        "description": "A UUID, another for each message; a POST that is repeated by the same id "
        "is done once.",
        "schema": text(format="uuid", example="2bd2e1f5-2f4c-4c2a-8a4a-6d1b2f3c4d5e"),
    },
    "User": {
        "name": "X-Road-UserId",
        "in": "header",
        "required": False,
        "description": "On whose behalf: KG and the personal number.",
        "schema": text("[A-Za-z]{2}[A-Za-z0-9._-]{1,60}", "KG12345678901234"),
    },
}


def _asked(name: str, schema: Schema, *, needed: bool = False) -> Schema:
    return {"name": name, "in": "query", "required": needed, "schema": schema}


def _inside(name: str, schema: Schema, example: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema, "example": example}


LIMIT = _asked("limit", {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_MAX})


def _reading(  # noqa: PLR0913, PLR0917 - what a resource is
    tag: str, name: str, words: str, schema: str, example: Schema, parameters: list[Schema]
) -> Schema:
    tagged = {"description": "Names this very answer.", "schema": text()}
    asked = {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "The ETag of an answer that the asker has.",
        "schema": text(r'[A-Za-z0-9"*/, -]*'),
    }
    return {
        "get": {
            "tags": [tag],
            "operationId": name,
            "summary": words,
            "parameters": [*parameters, *_headers(), asked],
            "responses": {
                "200": {
                    "description": words,
                    "headers": {"ETag": tagged},
                    "content": {"application/json": {"schema": ref(schema), "example": example}},
                },
                "304": {"description": "The asker has this very answer."},
            }
            | _refusals(),
        }
    }


def _receipts() -> Schema:
    accepted = {"doc_ref": DOC_REF_EXAMPLE, "status": "accepted"}
    rejected = accepted | {"status": "rejected", "code": "UNKNOWN-PAYER", "words": "not found"}
    return {
        "post": {
            "tags": ["receipts"],
            "operationId": "sendReceipts",
            "summary": "Which records were accepted, and which rejected and why",
            "parameters": _headers(),
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {
                        "schema": ref("Receipts"),
                        "example": {"receipts": [rejected]},
                    }
                },
            },
            "responses": {
                "200": {
                    "description": "They are kept.",
                    "content": {
                        "application/json": {
                            "schema": ref("Taken"),
                            "example": {"recorded": 1, "unknown": []},
                        }
                    },
                },
                "409": {"$ref": "#/components/responses/Problem"},
            }
            | _refusals(),
        }
    }


def _headers() -> list[Schema]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in HEADERS]


def _refusals() -> Schema:
    return {status: {"$ref": "#/components/responses/Problem"} for status in (*REFUSALS, "405")}


def render() -> str:
    """Return docs/tax-api.json."""
    return json.dumps(description(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())

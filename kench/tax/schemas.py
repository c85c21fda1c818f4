"""What goes over the wire, as schemas of OpenAPI 3.0.3; null stands in records alone."""

from typing import Any

from kench.pool.tax_settings import PAGE_MAX
from kench.tax.queries import DOC_REF, PERIOD, PIN
from kench.tax.receipts import CODE_MAX, RECEIPTS_MAX, WORDS_MAX
from kench.tax.shaping import SUMS

Schema = dict[str, Any]
SHA256 = "0f" * 32
DOC_REF_EXAMPLE = "KG-2026-10-7-2026-10-05-1"
CURSOR_EXAMPLE = "cmVwb3J0cy8yMDI2LTEwOjEwMDA"


def ref(name: str) -> Schema:
    """Point to a schema of this document."""
    return {"$ref": f"#/components/schemas/{name}"}


def text(pattern: str | None = None, example: str | None = None, **more: Any) -> Schema:
    """Return the schema of a text."""
    said: Schema = {"type": "string"}
    if pattern:
        said["pattern"] = f"^{pattern}$"
    if example:
        said["example"] = example
    return said | more


def whole(minimum: int | None = 0, **more: Any) -> Schema:
    """Return the schema of a whole number of 64 bits."""
    said: Schema = {"type": "integer", "format": "int64"}
    return said | ({} if minimum is None else {"minimum": minimum}) | more


def listed(of: Schema, most: int | None = None) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": of} | ({"maxItems": most} if most else {})


def struct(words: str, required: dict[str, Schema], /, **optional: Schema) -> Schema:
    """Return the schema of an object; what may be missing comes by its name."""
    said: Schema = {
        "type": "object",
        "description": words,
        "properties": required | optional,
    }
    # An empty list of them is not valid.
    return said | ({"required": list(required)} if required else {})


BASE64 = text(format="byte")
MOMENT = text(format="date-time", example="2026-11-03T10:15:00+06:00")
DAY = text(format="date", example="2026-10-05")
SHA = text("[0-9a-f]{64}", SHA256)
NEXT = text(r"[A-Za-z0-9_-]{1,200}", CURSOR_EXAMPLE)
PERIOD_TEXT = text(PERIOD.pattern, "2026-10")
DOC_REF_TEXT = text(DOC_REF.pattern, DOC_REF_EXAMPLE)
TAX_NUMBER = text(PIN.pattern, "12345678901234")
CODE = text(f"[A-Za-z0-9._-]{{1,{CODE_MAX}}}", "UNKNOWN-PAYER")
WORDS = text(r"[^\x00-\x1f\x7f]*", "no such taxpayer", maxLength=WORDS_MAX)
TOTALS = {name: whole(None if name == "paid_tyiyn" else 0) for name in SUMS}

RECORD_TOTALS = {
    name: one for name, one in TOTALS.items() if name not in {"records", "participants"}
}
NULLABLE = {"nullable": True}
FREE: Schema = {"type": "object", "additionalProperties": True}

SCHEMAS: dict[str, Schema] = {
    "Problem": struct(
        "Why nothing was handed over (RFC 9457).",
        {
            "type": text(r"urn:kench:tax:[a-z-]+", "urn:kench:tax:not-found"),
            "title": text(),
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
        },
        detail=text(),
    ),
    "Totals": struct(
        "Sums of a period: satoshi and tyiyn; `records` counts all documents, the sums are of "
        "those in force.",
        TOTALS,
    ),
    "Period": struct(
        "A period's state.",
        {
            "period": PERIOD_TEXT,
            "version": whole(1),
            "state": {"type": "string", "enum": ["closed", "reopened"]},
            "at": MOMENT,
            "digest": SHA
            | {
                "description": "SHA-256 of the SHA-256s of all of its records, in the order in "
                "which pages have them."
            },
            "totals": ref("Totals"),
        },
        order=whole(1, description="The order by which it was opened again."),
    ),
    "Periods": struct("Periods that were closed once.", {"periods": listed(ref("Period"), 1200)}),
    "Signature": struct(
        "What one officer signed: a readable text whose last line is the closing as data, and a "
        "detached CMS signature over it.",
        {
            "signed_at": MOMENT,
            "content": BASE64,
            "signature": BASE64,
            "certificates": listed(BASE64),
            "crls": listed(BASE64),
            "ocsps": listed(BASE64),
        },
    ),
    "Closing": {
        "allOf": [
            ref("Period"),
            struct("One closing or reopening.", {}, signatures=listed(ref("Signature"), 2)),
        ]
    },
    "PeriodWhole": {
        "allOf": [
            ref("Period"),
            struct("A period with its history.", {"closings": listed(ref("Closing"))}),
        ]
    },
    "Record": struct(
        "The income of one participant on one day of Bishkek, in an asset: canonical JSON (keys in "
        "order, no blanks, UTF-8), to whose bytes `sha256` belongs. Further members may come.",
        {
            "kench_income": {"type": "integer", "enum": [1]},
            "doc_ref": DOC_REF_TEXT,
            "doc_type": {"type": "string", "enum": ["new", "correct", "delete"]},
            "corrects": DOC_REF_TEXT | NULLABLE,
            "period": PERIOD_TEXT,
            "timezone": {"type": "string", "enum": ["Asia/Bishkek"]},
            "participant": struct(
                "As the Electronic Register had it when the document was made.",
                {"id": whole(1)},
                name=text(nullable=True),
                tax_number=text(nullable=True),
                certificate=text(nullable=True),
                kind=text(nullable=True),
            ),
            "asset": {"type": "string", "enum": ["BTC"]},
            "day": DAY,
            "accruals": listed(FREE),
            "sales": listed(FREE),
            "payouts": listed(FREE),
            "totals": struct("Sums of the day.", RECORD_TOTALS),
            "official_rate": FREE | NULLABLE,
            "electricity_declared_kwh": whole() | NULLABLE,
            "software": text(),
        },
        write_offs=listed(FREE),
    ),
    "Item": struct("A record with its digest.", {"sha256": SHA, "record": ref("Record")}),
    "Page": struct(
        "Records, byte for byte as they were signed for; without `next` it is the last page.",
        {"records": listed(ref("Item"), PAGE_MAX)},
        next=NEXT,
    ),
    "ReportsPage": {
        "allOf": [
            ref("Page"),
            struct("Of a period.", {"period": PERIOD_TEXT, "version": whole(1)}),
        ]
    },
    "CorrectionsPage": {
        "allOf": [ref("Page"), struct("`next` is what to go on from, whenever.", {"next": NEXT})]
    },
    "Entry": struct(
        "An entry of the Electronic Register of Miners in force.",
        {
            "participant": whole(1),
            "version": whole(1),
            "entered_at": MOMENT,
            "name": text(),
            "kind": {"type": "string", "enum": ["person", "trader", "entity"]},
            "tax_number": TAX_NUMBER,
        },
        state={"type": "string", "enum": ["registered", "suspended", "left", "excluded"]},
        certificate=text(),
        certificate_issued=DAY,
    ),
    "Entries": struct(
        "Entries; without `next` it is the last page.",
        {"entries": listed(ref("Entry"), PAGE_MAX)},
        next=NEXT,
    ),
    "Receipt": struct(
        "What became of one record; a rejection has a code.",
        {
            "doc_ref": DOC_REF_TEXT,
            "status": {"type": "string", "enum": ["accepted", "rejected"]},
        },
        code=CODE,
        words=WORDS,
    )
    | {"additionalProperties": False},
    "Receipts": struct(
        "Receipts, each of another record.",
        {"receipts": listed(ref("Receipt"), RECEIPTS_MAX) | {"minItems": 1}},
    )
    | {"additionalProperties": False},
    "Taken": struct(
        "How many receipts were kept, and which records are none that were handed over.",
        {"recorded": whole(), "unknown": listed(DOC_REF_TEXT, RECEIPTS_MAX)},
    ),
}

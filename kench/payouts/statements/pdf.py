"""A statement as PDF/A-3 with its JSON record attached; nothing is fetched from anywhere."""

import logging
import warnings
from datetime import datetime
from typing import Any, NoReturn

from kench.payouts.statements.page import html_of
from kench.payouts.statements.statement import Statement
from kench.payouts.statements.texts import Language
from kench.pool.errors import KenchError


class PdfMissingError(KenchError):
    """The libraries that lay out a PDF are not on this machine."""


def pdf_of(statement: Statement, language: Language) -> bytes:
    """Return the PDF. Raises PdfMissingError where Pango is missing."""
    try:
        # Here, for it loads Pango at import, which other commands do without.
        import weasyprint  # noqa: PLC0415 - as above
    except OSError as error:
        raise PdfMissingError(
            "a PDF needs Pango: apt-get install libpango-1.0-0 libpangoft2-1.0-0 fonts-dejavu-core"
        ) from error
    ended = datetime.fromisoformat(statement.ends)
    record = weasyprint.Attachment(
        string=statement.canonical(),
        name=f"{name_of(statement)}.json",
        description="The record that this page shows",
        relationship="Source",
        created=ended,
        modified=ended,
    )
    page = weasyprint.HTML(
        string=html_of(statement, language), url_fetcher=_refuse, base_url="about:blank"
    )
    # It tells at length which of two libraries cuts its fonts, and that one of each table.
    for name in ("weasyprint", "fontTools"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # It leaves a colour profile of its own open, which Python closes.
        warnings.simplefilter("ignore", ResourceWarning)
        pdf: bytes = page.write_pdf(
            pdf_variant="pdf/a-3u", attachments=[record], pdf_identifier=statement.sha256[:16]
        )
    return pdf


def name_of(statement: Statement) -> str:
    """Return the name of a statement's files, without what they end in."""
    return f"kench-{statement.participant_id}-{statement.month}"


def _refuse(url: str, *_: Any, **__: Any) -> NoReturn:
    raise ValueError(f"a statement fetches nothing, not even {url[:80]}")

"""Pages as PDF: laid out here, with nothing fetched from anywhere."""

import logging
import warnings
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple, NoReturn

from kench.pool.errors import KenchError

CSS = """
@page { size: A4; margin: 18mm; @bottom-right { content: counter(page) "/" counter(pages); } }
body { font: 10.5pt/1.45 "DejaVu Sans", "Noto Sans", sans-serif; color: #1a2430; }
h1 { font-size: 17pt; } h2 { font-size: 13pt; margin-top: 6mm; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 0.4pt solid #8a97a5; padding: 1.5mm 2mm; text-align: left; }
code { font-family: "DejaVu Sans Mono", monospace; }
"""


class PaperMissingError(KenchError):
    """The libraries that lay out a PDF are not on this machine."""


class Enclosed(NamedTuple):
    """A file within a PDF."""

    name: str
    content: bytes
    description: str


def pdf_of(html: str, enclosed: Iterable[Enclosed] = (), made_at: datetime | None = None) -> bytes:
    """Return a page of ours as PDF, as PDF/A-3 where files are enclosed.

    Raises PaperMissingError where Pango is missing.
    """
    try:
        # Here, for it loads Pango at import, which all other pages do without.
        import weasyprint  # noqa: PLC0415 - as above
    except OSError as error:
        raise PaperMissingError(
            "a PDF needs Pango: apt-get install libpango-1.0-0 libpangoft2-1.0-0 fonts-dejavu-core"
        ) from error
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    page = weasyprint.HTML(string=html, url_fetcher=_refuse, base_url="about:blank")
    files = [
        weasyprint.Attachment(
            string=one.content, name=one.name, description=one.description,
            relationship="Source", created=made_at, modified=made_at,
        )
        for one in enclosed
    ]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        pdf: bytes = page.write_pdf(
            stylesheets=[weasyprint.CSS(string=CSS, url_fetcher=_refuse)],
            pdf_variant="pdf/a-3u" if files else "pdf/ua-1",
            attachments=files,
        )
    return pdf


def _refuse(url: str, *_: Any, **__: Any) -> NoReturn:
    raise ValueError(f"a page fetches nothing, not even {url[:80]}")

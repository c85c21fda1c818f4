"""Documents that are filed with a report: PDF and XLSX, told by what is in them. Pure but one.

They are never opened further than that, never executed, and only ever offered as files.
"""

import hashlib
import io
import zipfile
from collections.abc import Iterable
from enum import StrEnum

import msgspec

from kench.cabinet.registration.attachments import ATTACHMENT_BYTES_MAX, safe_stem
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.reports.form import FilePart, Form, Media
from kench.cabinet.words.catalogues import N_

PDF_TYPE = "application/pdf"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TYPES = {Media.PDF: PDF_TYPE, Media.XLSX: XLSX_TYPE}
SUFFIXES = {PDF_TYPE: ".pdf", XLSX_TYPE: ".xlsx"}
PAPERS_MAX = 12
"""Documents of one report."""
ENTRIES_MAX = 2_000
UNPACKED_MAX = 200 * 1024 * 1024
LIST_BYTES_MAX = 512 * 1024
"""Of an archive's list of contents."""
PDF_TAIL = 2_048
"""Within so many bytes of its end a PDF says that it ends."""
_NEEDED = {"[Content_Types].xml", "xl/workbook.xml"}
_END, _LOCATOR, _LOCATOR_BYTES = b"PK\x05\x06", b"PK\x06\x07", 20
"""What stands before the end of an archive; the second makes it one of more than 4 GB."""
_RUNS = (".bin", ".vba", ".exe", ".dll", ".js", ".vbs")


class Paper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document as a filing names it."""

    part: str
    name: str
    media_type: str
    size: int
    sha256: str


class PaperRefusal(StrEnum):
    """Why a file is not taken."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    KIND = "kind"
    BROKEN = "broken"
    MACROS = "macros"
    PART = "part"
    TOO_MANY = "too_many"
    TWICE = "twice"
    SPACE_USED = "space_used"


PAPER_REFUSALS = {
    PaperRefusal.EMPTY: N_("The file is empty: choose another."),
    PaperRefusal.TOO_LARGE: N_("The file is larger than 10 MB: make it smaller."),
    PaperRefusal.KIND: N_("This part is filed as one of the kinds that stand beside it."),
    PaperRefusal.BROKEN: N_("The file is cut off or broken: save it once more."),
    PaperRefusal.MACROS: N_("The workbook has macros: save it without them."),
    PaperRefusal.PART: N_("Choose which part of the report the file is."),
    PaperRefusal.TOO_MANY: N_("There are 12 documents already: take one away first."),
    PaperRefusal.TWICE: N_("This file is attached already."),
    PaperRefusal.SPACE_USED: N_("You have uploaded as much as one person may."),
}


def paper_of(  # noqa: PLR0911 - a reason each
    form: Form, part: str, name: str, content: bytes, already: Iterable[Paper] = ()
) -> Paper | PaperRefusal:
    """The document that a file makes, as that part of a report."""
    there = list(already)
    wanted = next((one for one in form.files if one.key == part), None)
    if wanted is None:
        return PaperRefusal.PART
    if len(there) >= PAPERS_MAX:
        return PaperRefusal.TOO_MANY
    if not content:
        return PaperRefusal.EMPTY
    if len(content) > ATTACHMENT_BYTES_MAX:
        return PaperRefusal.TOO_LARGE
    media_type = _media_type(content)
    if isinstance(media_type, PaperRefusal):
        return media_type
    if media_type not in {TYPES[one] for one in wanted.media}:
        return PaperRefusal.KIND
    digest = hashlib.sha256(content).hexdigest()
    if any((one.part, one.sha256) == (part, digest) for one in there):
        return PaperRefusal.TWICE
    return Paper(part, safe_stem(name, SUFFIXES[media_type]), media_type, len(content), digest)


def check_papers(form: Form, papers: Iterable[Paper], language: str = "en") -> list[Gap]:
    """What is missing or wrong in the documents of a report; never raises."""
    given = list(papers)
    known = {one.key: one for one in form.files}
    gaps = [
        Gap(f"paper-{one.key}", N_("%(label)s: attach this document"),
            {"label": one.label.said(language)})
        for one in form.files
        if one.required and not any(paper.part == one.key for paper in given)
    ]  # fmt: skip
    if len(given) > PAPERS_MAX or any(not _fits(known.get(one.part), one) for one in given):
        gaps.append(Gap("papers", N_("There is a document that the form does not ask for")))
    return gaps


def _fits(wanted: FilePart | None, paper: Paper) -> bool:
    return wanted is not None and paper.media_type in {TYPES[one] for one in wanted.media}


def _media_type(content: bytes) -> str | PaperRefusal:
    if content.startswith(b"%PDF-"):
        return PDF_TYPE if b"%%EOF" in content[-PDF_TAIL:] else PaperRefusal.BROKEN
    if content.startswith(b"PK\x03\x04"):
        return _workbook(content)
    return PaperRefusal.KIND


def _workbook(content: bytes) -> str | PaperRefusal:  # noqa: PLR0911 - a reason each
    """Whether an archive is a workbook without macros; by its list of contents alone."""
    end = content.rfind(_END)
    if end < 0 or _LOCATOR in content[max(0, end - _LOCATOR_BYTES) : end]:
        return PaperRefusal.BROKEN
    # How long the list is, before anything reads it.
    if int.from_bytes(content[end + 12 : end + 16], "little") > LIST_BYTES_MAX:
        return PaperRefusal.TOO_LARGE
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return PaperRefusal.BROKEN
    names = {entry.filename for entry in entries}
    if not names >= _NEEDED:
        return PaperRefusal.KIND
    if len(entries) > ENTRIES_MAX or sum(entry.file_size for entry in entries) > UNPACKED_MAX:
        return PaperRefusal.TOO_LARGE
    if any(name.lower().endswith(_RUNS) and "printersettings" not in name.lower()
           for name in names):  # fmt: skip
        return PaperRefusal.MACROS
    return XLSX_TYPE

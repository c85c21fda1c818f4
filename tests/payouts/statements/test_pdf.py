"""What ISO 19005-3 (PDF/A-3, level U) asks of a file that shows text, read from the file itself.

No validator of the whole standard is at hand here; each rule below is one of its clauses. Whoever
has veraPDF can hold it against a statement: `verapdf -f 3u FILE`.
"""

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pypdf
import pytest
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, StreamObject

from kench.payouts.statements.pdf import name_of, pdf_of
from tests.payouts.statements.samples import STATEMENT

ACTIVE = {
    "/JavaScript",
    "/JS",
    "/Launch",
    "/Sound",
    "/Movie",
    "/ResetForm",
    "/ImportData",
    "/Hide",
    "/SetOCGState",
    "/Rendition",
    "/Trans",
    "/GoTo3DView",
    "/SubmitForm",
    "/GoToE",
}
FORBIDDEN_KEYS = {"/AA", "/OpenAction", "/XFA", "/Encrypt", "/PS", "/OPI", "/Ref", "/FFilter"}
FILTERS = {"/FlateDecode", "/DCTDecode", "/ASCIIHexDecode", "/ASCII85Decode", "/RunLengthDecode"}
SPACES = {"pdfaid": "http://www.aiim.org/pdfa/ns/id/", "dc": "http://purl.org/dc/elements/1.1/",
          "xmp": "http://ns.adobe.com/xap/1.0/", "pdf": "http://ns.adobe.com/pdf/1.3/",
          "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#"}  # fmt: skip


@pytest.fixture(scope="module")
def raw() -> bytes:
    return pdf_of(STATEMENT, "ky")


@pytest.fixture(scope="module")
def reader(raw: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(raw), strict=True)


@pytest.fixture(scope="module")
def objects(reader: pypdf.PdfReader) -> list[Any]:
    """Every object of the file that anything leads to."""
    seen: set[int] = set()

    def walk(one: Any) -> Iterator[Any]:
        if isinstance(one, IndirectObject):
            if one.idnum in seen:
                return
            seen.add(one.idnum)
            one = one.get_object()
        yield one
        inner: Any = ()
        if isinstance(one, DictionaryObject):
            inner = [one.raw_get(key) for key in one]
        elif isinstance(one, ArrayObject):
            inner = list(one)
        for part in inner:
            yield from walk(part)

    return list(walk(reader.trailer))


def dictionaries(objects: list[Any]) -> list[DictionaryObject]:
    return [one for one in objects if isinstance(one, DictionaryObject)]


def test_the_file_begins_and_ends_as_asked_and_is_not_encrypted(
    raw: bytes, reader: pypdf.PdfReader
) -> None:
    """6.1.2, 6.1.3: the header with four bytes above 127, an identifier, no encryption."""
    assert re.match(rb"%PDF-1\.[0-7]\n%[\x80-\xff]{4}", raw)
    assert re.search(rb"%%EOF\s*\Z", raw)
    assert not reader.is_encrypted
    assert "/Encrypt" not in reader.trailer
    first, last = reader.trailer["/ID"]
    assert first
    assert last


def test_its_metadata_say_what_it_is(reader: pypdf.PdfReader) -> None:
    """6.6.2: XMP, well formed, part 3 and level U."""
    metadata = reader.root_object["/Metadata"]
    assert metadata["/Type"] == "/Metadata"
    assert metadata["/Subtype"] == "/XML"
    packet = metadata.get_data()
    assert b"bytes=" not in packet
    root = ET.fromstring(packet)
    part = root.find(".//pdfaid:part", SPACES)
    level = root.find(".//pdfaid:conformance", SPACES)
    about = root.find(".//rdf:Description", SPACES)
    found = {
        key: value
        for one in root.findall(".//rdf:Description", SPACES)
        for key, value in one.attrib.items()
    }
    uri = f"{{{SPACES['pdfaid']}}}"
    assert (part.text if part is not None else found[f"{uri}part"]) == "3"
    assert (level.text if level is not None else found[f"{uri}conformance"]) == "U"
    assert about is not None


def test_its_two_places_of_metadata_agree(reader: pypdf.PdfReader) -> None:
    """6.6.3 (and 6.7.3 of the first part): title and dates of Info are those of XMP."""
    xmp, info = reader.xmp_metadata, reader.metadata
    assert xmp is not None
    assert info is not None
    assert (xmp.dc_title or {}).get("x-default") == info.title
    assert info.title
    for ours, theirs in ((xmp.xmp_create_date, info.creation_date),
                         (xmp.xmp_modify_date, info.modification_date)):  # fmt: skip
        assert _naive(ours) == _naive(theirs)


def _naive(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(tzinfo=None)


def test_colours_are_meant_by_a_profile_within(reader: pypdf.PdfReader, objects: list[Any]) -> None:
    """6.2.3, 6.2.4: one output intent with an ICC profile; device colours of its kind alone."""
    (intent,) = reader.root_object["/OutputIntents"]
    intent = intent.get_object()
    assert intent["/S"] == "/GTS_PDFA1"
    assert intent["/OutputConditionIdentifier"]
    profile = intent["/DestOutputProfile"].get_object()
    data = profile.get_data()
    assert data[36:40] == b"acsp"
    assert data[16:20] == b"RGB "
    assert profile["/N"] == 3
    assert int.from_bytes(data[:4], "big") == len(data)
    assert not [one for one in objects if one == "/DeviceCMYK"]


def test_every_font_is_within_and_its_letters_have_their_meaning(objects: list[Any]) -> None:
    """6.2.11.4, 6.2.11.7: a program of each font, and a table to Unicode."""
    fonts = [one for one in dictionaries(objects) if one.get("/Type") == "/Font"]
    assert fonts
    described = 0
    for font in fonts:
        if font["/Subtype"] == "/Type0":
            assert "/ToUnicode" in font
            assert font["/Encoding"] in {"/Identity-H", "/Identity-V"}
        if "/FontDescriptor" in font:
            described += 1
            descriptor = font["/FontDescriptor"].get_object()
            programs = [key for key in descriptor if key.startswith("/FontFile")]
            assert len(programs) == 1, font["/BaseFont"]
            assert descriptor[programs[0]].get_object().get_data()
            assert re.match(r"/[A-Z]{6}\+", font["/BaseFont"])
            if font["/Subtype"] == "/CIDFontType2":
                assert font["/CIDToGIDMap"] is not None
    assert described


def test_nothing_in_it_acts_or_leads_outside(objects: list[Any]) -> None:
    """6.1.6, 6.1.7, 6.5: no scripts, no actions by themselves, no other files, no old filters."""
    for one in dictionaries(objects):
        annotation = one.get("/Type") == "/Annot" or "/Rect" in one
        assert not FORBIDDEN_KEYS & set(one), dict(one)
        assert not isinstance(one, StreamObject) or "/F" not in one
        assert not isinstance(one.get("/JS"), str)
        assert one.get("/S") not in ACTIVE, dict(one)
        if annotation and one.get("/Subtype") not in {None, "/Popup"}:
            assert int(one["/F"]) & 0b11110 == 0b00100
        if isinstance(one, StreamObject) and "/Filter" in one:
            filters = one["/Filter"]
            given = list(filters) if isinstance(filters, ArrayObject) else [filters]
            assert set(given) <= FILTERS


def test_its_record_is_attached_as_the_standard_asks(reader: pypdf.PdfReader) -> None:
    """6.8: a type, a relationship, both names, and the file is one that the document names."""
    named = {one.idnum for one in reader.root_object["/AF"]}
    file = reader.root_object["/AF"][0].get_object()
    assert len(named) == 1
    assert file["/F"] == file["/UF"] == f"{name_of(STATEMENT)}.json"
    assert file["/AFRelationship"] == "/Source"
    stream = file["/EF"]["/F"].get_object()
    assert stream["/Subtype"] == "/application/json"
    assert stream["/Params"]["/ModDate"]
    assert stream.get_data() == STATEMENT.canonical()


def test_it_says_its_language(reader: pypdf.PdfReader) -> None:
    assert reader.root_object["/Lang"] == "ky"


def test_a_name_is_text_in_the_file_and_nothing_else() -> None:
    """What a participant is called is written as glyphs: it opens no string and no dictionary."""
    evil = replace(STATEMENT, participant_name=") /OpenAction << /S /JavaScript /JS (app.alert(1)")
    made = pypdf.PdfReader(io.BytesIO(pdf_of(evil, "en")), strict=True)
    assert "/OpenAction" not in made.root_object
    assert "app.alert" in "".join(page.extract_text() for page in made.pages).replace("\n", "")

"""Hostile XML is refused for what it could do, before it does it."""

import pytest

from kench.payouts.bank import xml
from kench.payouts.bank.xml import UnsafeXmlError, read_xml

LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a "ha">' + "".join(
        f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9)
    ) + "]><l>&j;</l>"
)  # fmt: skip
HOSTILE = {
    "billion laughs": LAUGHS,
    "an external entity": '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><d>&x;</d>',
    "an external DTD": '<!DOCTYPE d SYSTEM "http://127.0.0.1:1/d.dtd"><d/>',
    "a parameter entity": '<!DOCTYPE d [<!ENTITY % p SYSTEM "http://127.0.0.1:1/">%p;]><d/>',
    "a DTD without anything": "<!DOCTYPE d><d/>",
    "an unknown entity": "<d>&x;</d>",
    "no end": "<d><e>",
    "two roots": "<d/><d/>",
    "nothing": "",
    "text": "hello",
    "an unknown encoding": '<?xml version="1.0" encoding="x-kench"?><d/>',
    "a null byte": "<d>\0</d>",
    "an unbound prefix": "<d><x:e/></d>",
    "another namespace within": '<d xmlns="a"><e xmlns="b"/></d>',
    "too deep": "<d>" * 100 + "</d>" * 100,
    "too deep under extensions": "<d><SplmtryData>" + "<e>" * 100,
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_xml_is_refused(text: str) -> None:
    with pytest.raises(UnsafeXmlError):
        read_xml(text.encode())


def test_too_many_bytes_and_too_many_elements_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "ELEMENTS_MAX", 10)
    with pytest.raises(UnsafeXmlError, match="more than 10 elements"):
        read_xml(b"<d>" + b"<e/>" * 10 + b"</d>")
    monkeypatch.setattr(xml, "BYTES_MAX", 10)
    with pytest.raises(UnsafeXmlError, match="longer than 10 bytes"):
        read_xml(b"<d>1234567890</d>")


def test_a_document_is_read_with_its_namespace_and_extensions_passed_over() -> None:
    namespace, root = read_xml(
        b'<?xml version="1.0" encoding="windows-1251"?><d xmlns="n"><!-- c --><e a="1">'
        b' x<![CDATA[<]]></e><SplmtryData><q xmlns="other"/></SplmtryData><e>\xea\xfb\xf0</e></d>'
    )
    assert namespace == "n"
    assert [node.text.strip() for node in root.all("e")] == ["x<", "кыр"]
    assert [child.name for child in root.children] == ["e", "e"]
    assert root.said("e") == "x<"
    assert root.said("e/f") == ""

"""Reading XML that others wrote: one namespace, no DTD, bounded in bytes, elements and depth.

Without a DTD there are no entities, so none that grow and none that fetch. Nothing is ever loaded
from anywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from kench.pool.errors import KenchError

BYTES_MAX = 32 << 20
ELEMENTS_MAX = 1_000_000
DEPTH_MAX = 64
EXTENSIONS = "SplmtryData"
"""The element under which other namespaces may stand; it is passed over."""


class UnsafeXmlError(KenchError):
    """Bytes that are no XML, or XML that is not read for what it could do."""


@dataclass(slots=True)
class Node:
    """An element: its local name, its own text, its attributes and children."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: list["Node"] = field(default_factory=list)

    def all(self, path: str) -> Iterator["Node"]:
        """Yield every element at a path such as `NtryDtls/TxDtls`."""
        first, _, rest = path.partition("/")
        for child in self.children:
            if child.name == first:
                if rest:
                    yield from child.all(rest)
                else:
                    yield child

    def first(self, path: str) -> "Node | None":
        """Return the first element at a path."""
        return next(self.all(path), None)

    def said(self, path: str) -> str:
        """Return the text of the first element at a path; empty where there is none."""
        found = self.first(path)
        return "" if found is None else found.text.strip()


def read_xml(raw: bytes) -> tuple[str, Node]:
    """Return the namespace and the root of a document. Raises UnsafeXmlError."""
    if len(raw) > BYTES_MAX:
        _refuse(f"it is longer than {BYTES_MAX} bytes")
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.EntityDeclHandler = reader.doctype
    parser.ExternalEntityRefHandler = reader.doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise UnsafeXmlError(f"this is no XML ({error}): ask the bank for it again") from error
    except (LookupError, ValueError) as error:
        raise UnsafeXmlError(f"this XML has no known encoding ({error})") from error
    if reader.root is None:
        _refuse("it is empty")
    return reader.namespace, reader.root


def _refuse(why: str) -> NoReturn:
    raise UnsafeXmlError(f"this XML is not read: {why}; ask the bank for a plain file")


class _Reader:
    """Builds the tree; refuses as soon as a bound is met."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.namespace = ""
        self._open: list[Node] = []
        self._texts: list[list[str]] = []
        self._elements = 0
        self._passed_over = 0

    def doctype(self, *_: object) -> NoReturn:
        """Refuse a DTD and whatever comes of one."""
        _refuse("it has a DTD")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Open an element."""
        namespace, _, name = tag.rpartition(" ")
        self._elements += 1
        if self._elements > ELEMENTS_MAX:
            _refuse(f"it has more than {ELEMENTS_MAX} elements")
        if len(self._open) + self._passed_over >= DEPTH_MAX:
            _refuse(f"it is deeper than {DEPTH_MAX} elements")
        if self._passed_over or (self._open and name == EXTENSIONS):
            self._passed_over += 1
            return
        node = Node(name, attributes)
        if self.root is None:
            self.root, self.namespace = node, namespace
        elif namespace != self.namespace:
            _refuse(f"{name} is of another namespace than the document")
        if self._open:
            self._open[-1].children.append(node)
        self._open.append(node)
        self._texts.append([])

    def end(self, _tag: str) -> None:
        """Close it."""
        if self._passed_over:
            self._passed_over -= 1
        else:
            self._open.pop().text = "".join(self._texts.pop())

    def characters(self, text: str) -> None:
        """Add to the text of the open element."""
        if self._open and not self._passed_over:
            self._texts[-1].append(text)

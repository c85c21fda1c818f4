"""DER as bytes: bounded before a parser of structures sees it, and without what nobody signed.

asn1crypto takes time that grows with the power of the nesting for some inputs, indefinite lengths
among them; so the nesting, the elements and the form are bounded here first.
"""

from asn1crypto import parser

DEPTH_MAX = 24
ELEMENTS_MAX = 4096
_SEQUENCE, _SET, _CONSTRUCTED = 16, 17, 1
_CONTEXT = 2
_UNSIGNED_ATTRIBUTES = (_CONTEXT, 1)
Element = tuple[int, int, int, bytes, bytes, bytes]
"""As the parser gives it: class, method, tag, header, contents, trailer."""


def check_der(data: bytes) -> None:
    """Raise ValueError unless `data` is one element of definite lengths, bounded in all ways."""
    seen = 0
    waiting = [(data, 0)]
    while waiting:
        contents, depth = waiting.pop()
        if depth > DEPTH_MAX:
            raise ValueError(f"elements are more than {DEPTH_MAX} deep")
        parts = elements(contents)
        if not depth and len(parts) != 1:
            raise ValueError("more than one element")
        seen += len(parts)
        if seen > ELEMENTS_MAX:
            raise ValueError(f"more than {ELEMENTS_MAX} elements")
        waiting += [(part[4], depth + 1) for part in parts if part[1] == _CONSTRUCTED]


def elements(contents: bytes) -> list[Element]:
    """Elements that follow each other in `contents`; raises ValueError."""
    found: list[Element] = []
    at = 0
    while at < len(contents):
        element: Element = parser.parse(contents[at:])
        size = sum(map(len, element[3:]))
        if element[5]:
            raise ValueError("an element of indefinite length: it is BER, not DER")
        if len(found) >= ELEMENTS_MAX:
            raise ValueError(f"more than {ELEMENTS_MAX} elements")
        found.append(element)
        at += size
    return found


def without_unsigned(signature: bytes) -> bytes:
    """The CMS signature without unsigned attributes of its signers (RFC 5652, 5.3).

    What is no such structure is returned as it is, for the reader of structures to refuse.
    """
    (info,) = elements(signature)
    parts = elements(info[4])
    if len(parts) != 2 or parts[1][:3] != (_CONTEXT, _CONSTRUCTED, 0):
        return signature
    (signed,) = elements(parts[1][4])
    fields = elements(signed[4])
    if not fields or fields[-1][2] != _SET or fields[-1][0]:
        return signature
    signers = [
        _with(
            signer,
            b"".join(
                _whole(part)
                for part in elements(signer[4])
                if (part[0], part[2]) != _UNSIGNED_ATTRIBUTES
            ),
        )
        for signer in elements(fields[-1][4])
    ]
    fields_new = b"".join(map(_whole, fields[:-1])) + _with(fields[-1], b"".join(signers))
    wrapped = _with(parts[1], _with(signed, fields_new))
    return _with(info, _whole(parts[0]) + wrapped)


def _whole(element: Element) -> bytes:
    return element[3] + element[4]


def _with(element: Element, contents: bytes) -> bytes:
    emitted: bytes = parser.emit(element[0], element[1], element[2], contents)
    return emitted

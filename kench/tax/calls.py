"""Who calls: the headers of X-Road that came with a request, read strictly."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

from kench.pool.xroad import (
    Header,
    read_client,
    read_hash,
    read_id,
    read_service,
    read_user,
)
from kench.tax.problems import Kind, Problem

VALUE_MAX = 1200
Read = TypeVar("Read")


class Call(NamedTuple):
    """A request as X-Road names it."""

    client: str
    id: str
    user: str
    """Empty where nobody is named."""
    request_hash: bytes | None


def read_call(headers: Iterable[tuple[bytes, bytes]]) -> Call:
    """Return who calls; raises Problem."""
    said: dict[str, str] = {}
    for name, value in headers:
        if name.startswith(b"x-road-"):
            text = name.decode("latin-1")
            if text in said:
                raise Problem(Kind.BAD_HEADER, f"{text} stands twice")
            said[text] = value.decode("latin-1")
    if Header.ERROR in said:
        raise Problem(Kind.BAD_HEADER, f"{Header.ERROR.value} is no header of a request")
    client = _read(said, Header.CLIENT, read_client)
    id_ = _read(said, Header.ID, read_id)
    if client is None or id_ is None:
        missing = Header.CLIENT if client is None else Header.ID
        raise Problem(Kind.BAD_HEADER, f"{missing.value} is missing")
    _read(said, Header.SERVICE, read_service)
    user = _read(said, Header.USER_ID, read_user)
    return Call(client, id_, user or "", _read(said, Header.REQUEST_HASH, read_hash))


def _read(said: dict[str, str], name: Header, read: Callable[[str], Read]) -> Read | None:
    text = said.get(name)
    if text is None:
        return None
    if len(text) > VALUE_MAX:
        raise Problem(Kind.BAD_HEADER, f"{name.value} is too long")
    try:
        return read(text)
    except ValueError as error:
        raise Problem(Kind.BAD_HEADER, f"{name.value} {_why(error)}") from None


def _why(error: ValueError) -> str:
    """Say why a value was refused, without the value: it is a stranger's."""
    return str(error) if type(error) is ValueError else "is malformed"

"""A PROXY header is whole at one byte: before it nothing is known, after it nothing changes."""

from ipaddress import ip_address

from kench.stratum.proxied import HEADER_BYTES_MAX, Announced, BadHeaderError, read_header

EXECUTIONS = 40
LENGTH_MAX = 400
# Beginnings looked at, in even steps.
CUTS_MAX = 40


def check(data: bytes) -> None:
    """Hold the bytes, and their beginnings, to the invariant."""
    known = _read(data)
    if isinstance(known, Announced):
        assert 0 < known.end <= min(len(data), HEADER_BYTES_MAX)
        assert known.address is None or str(ip_address(known.address)) == known.address
        assert _read(data[: known.end]) == known
        assert _read(data[: known.end - 1]) is None
    settled = None
    for size in range(0, len(data), len(data) // CUTS_MAX + 1):
        at_size = _read(data[:size])
        assert settled is None or at_size == settled
        settled = at_size
    assert settled is None or known == settled


def _read(data: bytes) -> Announced | str | None:
    """Return what is known of these bytes: a header, that they begin none, or nothing yet."""
    try:
        return read_header(data)
    except BadHeaderError:
        return "refused"

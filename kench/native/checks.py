"""Argument checks of the twin; the compiled code raises the same types with the same words."""

U32_MAX = 2**32 - 1
U64_MAX = 2**64 - 1
# Times in microseconds and sequence numbers also travel as PostgreSQL's signed bigint.
I63_MAX = 2**63 - 1


def check_bytes(name: str, value: object, size: int | None = None) -> None:
    """Require ``value`` to be bytes, of exactly ``size`` bytes where one is given."""
    if not isinstance(value, bytes):
        msg = f"{name} must be bytes, not {type(value).__name__}"
        raise TypeError(msg)
    if size is not None and len(value) != size:
        msg = f"{name} must be {size} bytes, not {len(value)}"
        raise ValueError(msg)


def check_hashes(name: str, value: object) -> None:
    """Require ``value`` to be 32-byte hashes one after the other (none is fine)."""
    check_bytes(name, value)
    if isinstance(value, bytes) and len(value) % 32:
        msg = f"{name} must be a multiple of 32 bytes, not {len(value)}"
        raise ValueError(msg)


def check_int(name: str, value: object, most: int, least: int = 0) -> None:
    """Require ``value`` to be an int in ``least..most``."""
    if not isinstance(value, int):
        msg = f"{name} must be an int, not {type(value).__name__}"
        raise TypeError(msg)
    if not least <= value <= most:
        # The value itself is left out: it may have more digits than Python will print.
        msg = f"{name} must be in {least}..{most}"
        raise OverflowError(msg)


def check_kind(name: str, value: object, kind: type) -> None:
    """Require ``value`` to be an instance of ``kind``, a class of the same implementation."""
    if not isinstance(value, kind):
        msg = f"{name} must be a {kind.__name__}, not {type(value).__name__}"
        raise TypeError(msg)

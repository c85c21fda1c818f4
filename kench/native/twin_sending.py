"""Lines to many sockets in plain Python: the specification of the compiled sending."""

import os

from kench.native.checks import check_bytes, check_int

DESCRIPTOR_MAX = 2**31 - 1


def send_to_each(descriptors: list[int], line: bytes) -> list[tuple[int, int]]:
    """Offer ``line`` to each non-blocking socket once; return those that did not take all of it.

    Each of these is (place in ``descriptors``, bytes taken). A socket that is full, broken or
    closed takes 0: whoever owns it finds out why. The compiled function lets go of the
    interpreter lock once for all of them.
    """
    _check_list("descriptors", descriptors)
    check_bytes("line", line)
    return _send_all(descriptors, [line] * len(descriptors))


def send_each(descriptors: list[int], lines: list[bytes]) -> list[tuple[int, int]]:
    """Offer each socket the line at its place; the rest is as with ``send_to_each``.

    A socket that stands here twice may get its second line after a part of the first.
    """
    _check_list("descriptors", descriptors)
    _check_list("lines", lines)
    if len(lines) != len(descriptors):
        msg = "there must be as many lines as descriptors"
        raise ValueError(msg)
    return _send_all(descriptors, lines)


def _send_all(descriptors: list[int], lines: list[bytes]) -> list[tuple[int, int]]:
    for descriptor, line in zip(descriptors, lines, strict=True):
        check_bytes("line", line)
        check_int("descriptor", descriptor, DESCRIPTOR_MAX)
    short = []
    for place, (descriptor, line) in enumerate(zip(descriptors, lines, strict=True)):
        try:
            taken = os.write(descriptor, line)
        except OSError:
            taken = 0
        if taken != len(line):
            short.append((place, taken))
    return short


def _check_list(name: str, value: object) -> None:
    if not isinstance(value, list):
        msg = f"{name} must be a list, not {type(value).__name__}"
        raise TypeError(msg)

"""One line to many sockets in plain Python: the specification of the compiled sending."""

import os

from kench.native.checks import check_bytes, check_int

DESCRIPTOR_MAX = 2**31 - 1


def send_to_each(descriptors: list[int], line: bytes) -> list[tuple[int, int]]:
    """Offer ``line`` to each non-blocking socket once; return those that did not take all of it.

    Each of these is (place in ``descriptors``, bytes taken). A socket that is full, broken or
    closed takes 0: whoever owns it finds out why. The compiled function lets go of the
    interpreter lock once for all of them.
    """
    if not isinstance(descriptors, list):
        msg = f"descriptors must be a list, not {type(descriptors).__name__}"
        raise TypeError(msg)
    check_bytes("line", line)
    for descriptor in descriptors:
        check_int("descriptor", descriptor, DESCRIPTOR_MAX)
    short = []
    for place, descriptor in enumerate(descriptors):
        try:
            taken = os.write(descriptor, line)
        except OSError:
            taken = 0
        if taken != len(line):
            short.append((place, taken))
    return short

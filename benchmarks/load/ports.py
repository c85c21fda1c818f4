"""Ports for servers that are told theirs before they start."""

import itertools
import os
import random
import socket

LOOPBACK = "127.0.0.1"
# Below those that the kernel gives to connections, which come and go meanwhile.
FIRST, COUNT = 10_000, 20_000
# Programs that run side by side each begin elsewhere, and none takes a port again soon.
_offsets = itertools.count(random.Random(os.getpid()).randrange(COUNT))


class NoPortError(Exception):
    """All ports looked at are taken."""


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on; raises NoPortError."""
    found: list[int] = []
    for offset in itertools.islice(_offsets, COUNT):
        port = FIRST + offset % COUNT
        if _is_free(port):
            found.append(port)
            if len(found) == count:
                return found
    raise NoPortError(f"no {count} ports from {FIRST} to {FIRST + COUNT - 1} are free")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True

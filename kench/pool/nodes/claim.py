"""Which network the nodes of a pool have to be on: the one that is set, or that the first names."""

import threading
from collections.abc import Container

from kench.pool.wire_settings import NETWORKS


class NetworkClaim:
    """`named` None means the one that the first node names, of those `to_take`; for any thread."""

    def __init__(self, named: str | None, to_take: Container[str] = NETWORKS) -> None:
        self._named = named
        self._to_take = to_take
        self._lock = threading.Lock()

    @property
    def name(self) -> str | None:
        """The network; None where none was set, and no node has named one."""
        return self._named

    def hear(self, chain: str) -> str:
        """Note what a node names, and return what it has to be on, in words where none is known."""
        with self._lock:
            if self._named is None and chain in self._to_take:
                self._named = chain
            if self._named is None and chain in NETWORKS:
                return "one that we take unset: set `network`, and plain_to for wires without TLS"
            return self._named or "a known one"

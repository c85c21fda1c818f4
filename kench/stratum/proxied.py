"""Connections that come through HAProxy: the first line names the miner's own address (A1.13)."""

import asyncio
import re

from kench.stratum.connection import Connection

# The longest line of version 1 of the protocol, its end included.
HEADER_BYTES_MAX = 107
_HEADER = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?"
    rb"|TCP[46] (?P<peer>[0-9a-fA-F.:]{2,39}) [0-9a-fA-F.:]{2,39} [0-9]{1,5} [0-9]{1,5})\r\n"
)


class ProxiedConnection(Connection):
    """A connection whose first line must be a PROXY header; anything else is cut off.

    For ports where KENCH_PROXY_HEADER says that only a proxy can reach them: on others a miner
    could claim any address.
    """

    __slots__ = ("_header",)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the header before anything else."""
        self._header: bytes | None = b""
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Take the header off, then be a connection like any other."""
        if self._header is not None:
            data = self._header + data
            header = _HEADER.match(data)
            if header is None:
                self._header = data
                if b"\n" in data or len(data) > HEADER_BYTES_MAX:
                    self.abort()
                return
            self._header = None
            self.peer = (header["peer"] or self.peer.encode()).decode()
            data = data[header.end() :]
            if not data:
                return
        super().data_received(data)

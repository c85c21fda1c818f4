"""One connection between a front and a standby: frames out, frames in, bounded waits, TLS."""

import contextlib
import socket

from kench.native import crc32
from kench.pool.line_tls import TlsFiles
from kench.pool.shipping.frames import (
    BODY_BYTES_MAX,
    HEAD,
    WORDS,
    WORDS_BYTES_MAX,
    Kind,
    ShippingError,
)

READ_BYTES = 256 * 1024


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `host:port` or `[host]:port`."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def connect(address: str, tls: TlsFiles | None, timeout_s: float) -> "Link":
    """Connect to a standby; raises OSError, TlsFilesError."""
    host, port = split_address(address)
    opened = socket.create_connection((host, port), timeout=timeout_s)
    try:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            opened = tls.context().wrap_socket(opened, server_hostname=host)
    except BaseException:
        opened.close()
        raise
    return Link(opened)


class Link:
    """A connection; one thread at a time sends, and one at a time reads."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._waiting = bytearray()

    def set_timeout(self, seconds: float | None) -> None:
        """Bound every wait from now on."""
        self._socket.settimeout(seconds)

    def send(self, frames: bytes) -> None:
        """Send it all; raises OSError, TimeoutError among them."""
        self._socket.sendall(frames)

    def receive(self) -> tuple[Kind, bytes]:
        """Return the next frame. Raises OSError, and ShippingError where it is none of ours."""
        head = self._take(HEAD.size)
        size, check, number = HEAD.unpack(head)
        try:
            kind = Kind(number)
        except ValueError as unknown:
            raise ShippingError(f"the standby's line brought a frame of kind {number}") from unknown
        if size > (WORDS_BYTES_MAX if kind in WORDS else BODY_BYTES_MAX):
            raise ShippingError(f"the standby's line brought a frame of {size} bytes")
        body = self._take(size)
        if crc32(bytes((kind,)) + body) != check:
            raise ShippingError("the standby's line changed a frame on its way")
        return kind, body

    def close(self) -> None:
        """Close it; who waits on it is woken."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _take(self, size: int) -> bytes:
        while len(self._waiting) < size:
            piece = self._socket.recv(READ_BYTES)
            if not piece:
                raise ConnectionResetError("the other end closed the standby's line")
            self._waiting += piece
        taken = bytes(self._waiting[:size])
        del self._waiting[:size]
        return taken

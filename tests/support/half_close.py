"""To have said all on a connection that the other end may have left already."""

import errno
import socket


def half_close(connection: socket.socket) -> None:
    """Say that no more comes; raises ConnectionResetError where the other end has left.

    The kernel says "not connected" there, which Python counts among no errors of connections.
    """
    try:
        connection.shutdown(socket.SHUT_WR)
    except OSError as left:
        if left.errno != errno.ENOTCONN:
            raise
        raise ConnectionResetError("the other end has left") from left

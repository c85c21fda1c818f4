"""Opening a port for a server that is handed its socket."""

import socket


def open_port(host: str, port: int, backlog: int) -> socket.socket:
    """Return a socket that listens; raises OSError, and leaves none open then."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener

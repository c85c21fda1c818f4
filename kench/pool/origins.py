"""Origins of web servers: scheme, host and port, as browsers write them."""

from ipaddress import ip_address
from urllib.parse import urlsplit

LOOPBACK_NAME = "localhost"
USUAL = {"http": 80, "https": 443}


def plain_origin(host: str, port: int, scheme: str = "http") -> str:
    """Return the origin of a server, without TLS unless `scheme` says so."""
    named = f"[{host}]" if ":" in host else host
    return f"{scheme}://{named}" + (f":{port}" if port != USUAL[scheme] else "")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what is called so."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == LOOPBACK_NAME


def origin_of(value: str) -> str:
    """Return an origin as browsers write it; raises ValueError."""
    wanted = "must look like https://cabinet.example.kg, with neither path nor user"
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError(wanted) from None
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host or "@" in parts.netloc:
        raise ValueError(wanted)
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(wanted)
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("plain http is for this machine only: must begin with https://")
    named = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{named}" + (
        f":{port}" if port not in {None, USUAL[parts.scheme]} else ""
    )

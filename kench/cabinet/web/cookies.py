"""Cookies of the cabinet: their names and what keeps them from others."""

from typing import Literal

from kench.pool.settings import Settings

SECRET_BYTES = 32
LOGIN = "kench"
BROWSER = "kench_browser"
"""A browser's own secret: challenges and forms are bound to it, before and after login."""
LANGUAGE = "kench_language"
YEAR_S = 365 * 86_400


def is_secure(settings: Settings) -> bool:
    """Whether browsers reach the cabinet by TLS: always, but on this machine."""
    return settings.cabinet_origin.startswith("https://")


def cookie_name(settings: Settings, name: str) -> str:
    """Return the name as browsers keep it: with TLS, no other host can set it (`__Host-`)."""
    return f"__Host-{name}" if is_secure(settings) else name


def cookie_line(
    settings: Settings,
    name: str,
    value: str,
    *,
    max_age_s: int | None = None,
    same_site: Literal["Lax", "Strict"] = "Lax",
) -> str:
    """Return the Set-Cookie of a cookie that no script reads; without age it ends with the browser.

    Empty with age 0, it is taken away.
    """
    parts = [f"{cookie_name(settings, name)}={value}", "Path=/", "HttpOnly"]
    parts.append(f"SameSite={same_site}")
    if is_secure(settings):
        parts.append("Secure")
    if max_age_s is not None:
        parts.append(f"Max-Age={max_age_s}")
    return "; ".join(parts)


def secret_of(cookie: str | None) -> bytes | None:
    """Return the secret in a cookie, None unless it is one."""
    try:
        secret = bytes.fromhex(cookie or "")
    except ValueError:
        return None
    return secret if len(secret) == SECRET_BYTES else None

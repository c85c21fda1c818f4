"""What stands around every answer: headers, whose form it is, cookies, counts."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kench.cabinet.web.forms import SAFE_METHODS
from kench.cabinet.web.metrics import Metrics
from kench.pool.clock import Clock
from kench.pool.settings import Settings

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
UNUSED = (
    "accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "fullscreen",
    "geolocation", "gyroscope", "hid", "idle-detection", "magnetometer", "microphone", "midi",
    "payment", "picture-in-picture", "publickey-credentials-get", "screen-wake-lock", "serial",
    "usb", "xr-spatial-tracking",
)  # fmt: skip
"""Powers of browsers that no page asks for."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{name}=()" for name in UNUSED),
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
TWO_YEARS_S = 63_072_000
OPEN_PATHS = frozenset({"/healthz", "/metrics"})
"""What probes ask for by whatever name the machine has."""
PROGRAMS_PATHS = ("/api/", "/accounts/", "/stats/")
"""What programs read, with a key and not with a cookie: there is nothing to send."""
METHODS = SAFE_METHODS | {"POST"}


def headers_of(settings: Settings) -> dict[str, str]:
    """Return the headers of every answer."""
    if not settings.cabinet_origin.startswith("https://"):
        return HEADERS
    return HEADERS | {"Strict-Transport-Security": f"max-age={TWO_YEARS_S}"}


class Shield:
    """The outermost layer of the application but for Starlette's own."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics, clock: Clock) -> None:
        self._app = app
        self._origin = settings.cabinet_origin
        self._host = urlsplit(self._origin).netloc
        self._headers = headers_of(settings)
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        cookies: list[str] = []
        scope.setdefault("state", {})["cookies"] = cookies
        began = self._clock.monotonic()
        status = 500

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                for line in cookies:
                    headers.append("Set-Cookie", line)
            await send(message)

        try:
            refusal = self._refuse(scope)
            await (refusal or self._app)(scope, receive, dressed)
        finally:
            self._metrics.count(scope, status, self._clock.monotonic() - began)

    def _refuse(self, scope: Scope) -> Response | None:
        """Return the answer to what comes by another name, or from a page of somebody else's."""
        headers = Headers(scope=scope)
        safe = scope["method"] in SAFE_METHODS
        if headers.get("host") != self._host and scope["path"] not in OPEN_PATHS:
            path = scope.get("raw_path", b"/").decode("ascii", "replace")
            # As it was sent, too: `%2F@other` behind our name would be a name of another machine.
            if safe and path.startswith("/") and not scope["path"].startswith("//"):
                query = scope["query_string"].decode("ascii", "replace")
                return RedirectResponse(self._origin + path + (f"?{query}" if query else ""), 307)
            return PlainTextResponse(f"The cabinet is at {self._origin}\n", 421)
        refusal = _refuse_method(scope["method"], scope["path"])
        if refusal is not None:
            return refusal
        if "\0" in scope["path"]:
            # No text that PostgreSQL keeps has one.
            unsaid = {"Referrer-Policy": "no-referrer"}
            return PlainTextResponse("There is no such page.\n", 404, headers=unsaid)
        if safe or self._is_own(headers.getlist("origin"), headers.get("sec-fetch-site")):
            return None
        return PlainTextResponse("This form does not come from a page of the cabinet.\n", 403)

    def _is_own(self, origins: Iterable[str], site: str | None) -> bool:
        """Whether a browser says that the form is ours; one says it, and neither denies it."""
        said = list(origins)
        if any(origin != self._origin for origin in said):
            return False
        return site == "same-origin" if site is not None else bool(said)


def _refuse_method(method: str, path: str) -> Response | None:
    """Return the answer to a method that no page has."""
    if path.startswith(PROGRAMS_PATHS):
        if method in {"GET", "HEAD"}:
            return None
        said = {"error": "refused", "message": "there is only reading here: use GET"}
        return JSONResponse(said, 405, headers={"Allow": "GET"})
    if method in METHODS:
        return None
    return PlainTextResponse("There is no such method.\n", 405, headers={"Allow": "GET, POST"})

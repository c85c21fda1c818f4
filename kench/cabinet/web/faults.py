"""Answers to what went wrong: a page that says what to do, and nothing of our inside."""

import structlog
from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from kench.cabinet.web.pages import render
from kench.cabinet.web.shield import headers_of
from kench.cabinet.web.visit import NoDutyError, Visit, cabinet_of, plain_visit
from kench.cabinet.words.catalogues import N_

TEXTS = {
    400: (N_("This cannot be read"), N_("The form was not filled in the way the page sends it.")),
    403: (
        N_("This form is not valid any more"),
        N_("It was opened in another login or a while ago. Open the page again and send it anew."),
    ),
    404: (N_("There is no such page"), N_("It may have been moved, or it is not yours to see.")),
    405: (N_("This cannot be done here"), N_("Go back and use the buttons of the page.")),
    409: (
        N_("This is not possible any more"),
        N_("Somebody was faster, or it has moved on. Open the page again and see how it is now."),
    ),
    413: (N_("This is too large"), N_("Send smaller files, or fewer at once.")),
    429: (N_("Too many requests"), N_("Wait a little, then try again.")),
    500: (
        N_("Something broke"),
        N_("The fault is ours and has been recorded. Nothing was done by halves; try again later."),
    ),
    503: (N_("Not at the moment"), N_("The cabinet will be back soon. Try again in a minute.")),
}
OTHER = 400
NO_DUTY = (
    N_("Your duties do not include this"),
    N_("This room takes a role that you have not; who has the role of head can have it given."),
)


log = structlog.get_logger("cabinet")


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answer what a handler refused."""
    if not isinstance(error, HTTPException):
        raise TypeError(type(error).__name__)
    headers = dict(error.headers or {})
    if error.status_code in {301, 302, 303, 307, 308}:
        return RedirectResponse(headers["Location"], error.status_code)
    texts = NO_DUTY if isinstance(error, NoDutyError) else None
    return fault_page(request, error.status_code, headers, texts)


async def on_invalid(request: Request, error: Exception) -> Response:
    """Answer an address or a form that is not of the shape that its route reads."""
    # The route and not the path: that may hold a link's secret, or whatever its sender chose.
    route = getattr(request.scope.get("route"), "path", "none")
    log.info("request refused", route=route, kind=type(error).__name__)
    # A path whose number is none leads nowhere.
    return fault_page(request, 404 if request.method == "GET" else 400)


async def on_fault(request: Request, _error: Exception) -> Response:
    """Answer what broke; the server logs it. This runs outside the shield."""
    if not hasattr(request.state, "cookies"):
        request.state.cookies = []
    answer = fault_page(request, 500)
    for name, value in headers_of(cabinet_of(request).settings).items():
        answer.headers[name] = value
    answer.headers["Cache-Control"] = "no-store"
    return answer


def fault_page(
    request: Request,
    status: int,
    headers: dict[str, str] | None = None,
    texts: tuple[str, str] | None = None,
) -> Response:
    """Return the page of a status."""
    visit: Visit = getattr(request.state, "visit", None) or plain_visit(request)
    title, advice = texts or TEXTS.get(status, TEXTS[OTHER])
    return render(
        request, visit, "fault.html",
        status=status, headers=headers, code=status, heading=title, advice=advice,
    )  # fmt: skip

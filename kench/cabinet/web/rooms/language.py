"""Choosing a language: a link, so that it works with no script and no form."""

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kench.cabinet.web.cookies import LANGUAGE, YEAR_S, cookie_line
from kench.cabinet.web.pages import go
from kench.cabinet.web.visit import CabinetHere, VisitHere, own_path
from kench.cabinet.words.languages import language_of

room = APIRouter()


@room.get("/language/{code}")
def choose_language(
    code: str,
    cabinet: CabinetHere,
    visit: VisitHere,
    next: str = "/",  # noqa: A002 - its name in the address
) -> Response:
    """Keep the language in a cookie, and go back to where the link was."""
    language = language_of(code)
    if language is None:
        raise HTTPException(404)
    visit.cookies.append(cookie_line(cabinet.settings, LANGUAGE, language.value, max_age_s=YEAR_S))
    return go(own_path(next))

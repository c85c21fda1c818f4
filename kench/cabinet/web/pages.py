"""Pages from templates, in the language of the visit."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import URL
from starlette.responses import HTMLResponse, RedirectResponse, Response

from kench.cabinet.registration.regions import REGION_NAMES, REGIONS
from kench.cabinet.web.assets import Assets
from kench.cabinet.web.desk_tabs import desk_here, desk_tabs
from kench.cabinet.web.folding import FoldingEnvironment
from kench.cabinet.web.said import SAID
from kench.cabinet.web.visit import Visit
from kench.cabinet.words.catalogues import words_of
from kench.cabinet.words.formats import Formats
from kench.cabinet.words.languages import Language

SAID_KEY = "said"
FORMATS = (
    "number", "percent", "btc", "som", "price", "hashrate", "day", "month", "moment", "lasting",
    "iso",
)  # fmt: skip


class Pages:
    """The templates, once for each language: texts and formats are part of each."""

    def __init__(self, assets: Assets) -> None:
        self.assets = assets
        self._environments = {language: _environment(language, assets) for language in Language}

    def text(self, language: Language, name: str, values: Mapping[str, Any]) -> str:
        """Return a page as text."""
        return self._environments[language].get_template(name).render(values)


def render(
    request: Request,
    visit: Visit,
    name: str,
    /,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> Response:
    """Return the page of a template; it is given `visit`, `said` and `values`."""
    pages: Pages = request.app.state.pages
    said = SAID.get(request.query_params.get(SAID_KEY, ""))
    text = pages.text(visit.language, name, {"visit": visit, "said": said, **values})
    return HTMLResponse(text, status, headers=headers)


def page_text(request: Request, language: Language, name: str, values: Mapping[str, Any]) -> str:
    """Return the text of a page that is not for browsers, in any language."""
    pages: Pages = request.app.state.pages
    return pages.text(language, name, values)


def go(path: str, said: str | None = None) -> Response:
    """Return the way to another page of ours; `said` names what is said at its top (`SAID`)."""
    if said is not None and said not in SAID:
        raise KeyError(said)
    url = URL(path)
    return RedirectResponse(str(url.include_query_params(said=said) if said else url), 303)


def _environment(language: Language, assets: Assets) -> Environment:
    environment = FoldingEnvironment(
        loader=PackageLoader("kench.cabinet.web", "templates"),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.language = language
    environment.install_gettext_translations(  # type: ignore[attr-defined]  # of the extension
        words_of(language), newstyle=True
    )
    environment.policies["ext.i18n.trimmed"] = True
    formats = Formats(language)
    environment.filters.update({name: getattr(formats, name) for name in FORMATS})
    environment.globals.update(
        asset=assets.url, languages=tuple(Language), regions=REGIONS, region_names=REGION_NAMES
    )
    environment.globals.update(desk_tabs=desk_tabs, desk_here=desk_here)
    return environment

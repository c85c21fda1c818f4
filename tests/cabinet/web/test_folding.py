"""Texts that stand in a template are translated when it is compiled, with nothing else changed."""

import pytest
from jinja2 import DictLoader, Environment

from kench.cabinet.web.folding import FoldingEnvironment
from kench.cabinet.words.catalogues import words_of
from kench.cabinet.words.languages import Language

TEMPLATE = """
{{ _("Workers") }} {{ _("Workers") | upper }} <a title="{{ _('Part of the name') }}">
{{ _("Page %(page)s of %(pages)s", page=1, pages="<2>") }} {{ _(name) }} {{ _("<b> & 5 %%") }}
{% trans %}Workers{% endtrans %} {% trans count=2, shown=2 %}{{ shown }} worker{% pluralize %}
{{ shown }} workers{% endtrans %} {% set said = _("Workers") %}{{ said }}
"""


def shown(kind: type[Environment], language: Language) -> str:
    environment = kind(
        loader=DictLoader({"page": TEMPLATE}), extensions=["jinja2.ext.i18n"], autoescape=True
    )
    if isinstance(environment, FoldingEnvironment):
        environment.language = language
    environment.install_gettext_translations(  # type: ignore[attr-defined]  # of the extension
        words_of(language), newstyle=True
    )
    return environment.get_template("page").render(name="Group")


@pytest.mark.parametrize("language", Language)
def test_a_page_is_what_it_is_without_folding(language: Language) -> None:
    assert shown(FoldingEnvironment, language) == shown(Environment, language)


def test_a_text_of_the_template_is_not_looked_up_when_it_is_shown() -> None:
    environment = FoldingEnvironment(extensions=["jinja2.ext.i18n"], autoescape=True)
    environment.language = Language.RU
    template = environment.from_string('<p>{{ _("Workers") }}</p>')
    assert template.render() == f"<p>{words_of(Language.RU).gettext('Workers')}</p>"

"""Every text is there in every language, whole and sound."""

import re
from string import Formatter

import pytest
from babel.messages import Message
from babel.messages.pofile import read_po

from kench.cabinet.words.catalogues import catalogue_files, read_catalogue, words_of
from kench.cabinet.words.extraction import PACKAGE, extract
from kench.cabinet.words.languages import Language

OTHERS = [Language.KY, Language.RU]
PLACES = re.compile(r"%\((\w+)\)[sd]|%[sd%]")
TRANSLATED = re.compile(r"{%-?\s*trans.*?endtrans\s*-?%}|{#.*?#}", re.DOTALL)
MARKUP = re.compile(r"{{.*?}}|{%.*?%}|<!.*?>|<[^>]*>|&\w+;", re.DOTALL)
SHOWN = {(message.id, message.context): message for message in extract() if message.id}


def _texts(message: Message) -> list[str]:
    return list(message.string) if isinstance(message.string, tuple | list) else [message.string]


def _ids(message: Message) -> list[str]:
    return list(message.id) if isinstance(message.id, tuple | list) else [message.id]


@pytest.mark.parametrize("language", OTHERS)
def test_no_text_is_without_translation(language: Language) -> None:
    known = read_catalogue(language)
    lacking = []
    for (text, context), message in SHOWN.items():
        found = known.get(text, context)
        if found is None or not all(_texts(found)):
            lacking.append(f"{message.locations}: {text}")
    assert not lacking, "see `python -m kench.cabinet.words`"


@pytest.mark.parametrize("language", OTHERS)
def test_no_translation_is_fuzzy_or_of_a_text_that_is_gone(language: Language) -> None:
    known = [message for message in read_catalogue(language) if message.id]
    assert not [message.id for message in known if message.fuzzy]
    assert not [message.id for message in known if (message.id, message.context) not in SHOWN]
    for path in catalogue_files(language):
        with path.open("rb") as file:
            assert not read_po(file, locale=language.value).obsolete


@pytest.mark.parametrize("language", OTHERS)
def test_translations_have_the_places_of_their_texts(language: Language) -> None:
    for message in read_catalogue(language):
        wanted = [set(PLACES.findall(one)) | _braces(one) for one in _ids(message) if one]
        for text in _texts(message) if message.id else ():
            assert set(PLACES.findall(text)) | _braces(text) in wanted, message.id


@pytest.mark.parametrize("language", OTHERS)
def test_each_plural_has_all_its_forms(language: Language) -> None:
    catalogue = read_catalogue(language)
    for message in catalogue:
        if message.id and message.pluralizable:
            assert len(_texts(message)) == catalogue.num_plurals, message.id


def test_what_no_catalogue_has_is_english() -> None:
    assert words_of(Language.RU).gettext("no such text") == "no such text"
    assert words_of(Language.EN).gettext("Enter") == "Enter"
    assert words_of(Language.KY).gettext("Enter") == "Кирүү"


def test_no_text_stands_in_a_template_beside_the_catalogues() -> None:
    """Words between tags that no `_()` and no `trans` holds would be English for everybody."""
    strays = []
    for path in (PACKAGE / "web" / "templates").rglob("*.html"):
        text = TRANSLATED.sub("", path.read_text())
        text = MARKUP.sub("", text)
        strays += [(path.name, word) for word in re.findall(r"[^\W\d_]{2,}", text)
                   if word not in {"BTC", "KGS", "PDF", "CSV", "XLSX", "JSON"}]  # fmt: skip
    assert not strays


def _braces(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}

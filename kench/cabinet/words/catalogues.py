"""Catalogues: read once at start, all of a language's files as one."""

import io
from collections.abc import Iterator
from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from kench.cabinet.words.languages import Language
from kench.pool.errors import KenchError

FOLDER = Path(__file__).parent


class CatalogueError(KenchError):
    """A catalogue cannot be read, or two say different things."""


def N_(text: str) -> str:  # noqa: N802 - the name that extractors of gettext know
    """Mark a text that is kept in English and translated where it is shown."""
    return text


@cache
def words_of(language: Language) -> NullTranslations:
    """Return the translations of a language: its `gettext` and `ngettext`."""
    if language is Language.EN:
        return NullTranslations()
    binary = io.BytesIO()
    write_mo(binary, read_catalogue(language))
    binary.seek(0)
    return GNUTranslations(binary)


def read_catalogue(language: Language) -> Catalog:
    """Return all files of a language as one catalogue; raises CatalogueError."""
    whole = Catalog(locale=language.value)
    for path in catalogue_files(language):
        for message in _read(path, language):
            known = whole.get(message.id, message.context)
            if known is not None and known.string != message.string:
                raise CatalogueError(f"{path}: {message.id!r} is another in another file")
            whole[message.id] = message
    return whole


def catalogue_files(language: Language) -> list[Path]:
    """Return the files of a language."""
    return sorted(FOLDER.glob(f"*.{language.value}.po"))


def _read(path: Path, language: Language) -> Iterator[Message]:
    with path.open("rb") as file:
        try:
            catalogue = read_po(file, locale=language.value, abort_invalid=True)
        except ValueError as error:
            raise CatalogueError(f"{path} cannot be read: {error}") from error
    return (message for message in catalogue if message.id)

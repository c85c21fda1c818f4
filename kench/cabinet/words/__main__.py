"""`python -m kench.cabinet.words`: print what the catalogues lack, ready to be filled in."""

import sys

from babel.messages import Catalog
from babel.messages.pofile import write_po

from kench.cabinet.words.catalogues import read_catalogue
from kench.cabinet.words.extraction import extract
from kench.cabinet.words.languages import Language


def main() -> None:
    """Print the entries to add, language by language."""
    shown = extract()
    for language in (Language.KY, Language.RU):
        known, lacking = read_catalogue(language), Catalog(locale=language.value)
        for message in shown:
            if message.id and known.get(message.id, message.context) is None:
                lacking[message.id] = message
        if len(lacking):
            print(f"# to add to a .{language}.po", flush=True)
            write_po(sys.stdout.buffer, lacking, omit_header=True, no_location=True, width=0)


if __name__ == "__main__":
    main()

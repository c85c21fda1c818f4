"""Which texts the cabinet shows: extracted from its Python code and its templates."""

from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract_from_dir

PACKAGE = Path(__file__).parents[1]
METHODS = [
    ("**.py", "python"),
    ("web/templates/**.html", "jinja2.ext:babel_extract"),
    ("web/templates/**.txt", "jinja2.ext:babel_extract"),
]
OPTIONS = {
    pattern: {"silent": "false", "trimmed": "true"} for pattern, _ in METHODS if "html" in pattern
}
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "N_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}


def extract() -> Catalog:
    """Return every text with its places; as a template of a catalogue."""
    found = Catalog()
    rows = extract_from_dir(
        PACKAGE, method_map=METHODS, options_map=OPTIONS, keywords=KEYWORDS, strip_comment_tags=True
    )
    for name, line, text, comments, context in rows:
        found.add(text, locations=[(name, line)], auto_comments=comments, context=context)
    return found

"""Texts of templates, translated when a template is compiled and not each time it is shown.

Each language has an environment of its own, so `_("…")` of a text that stands in the template is
the same on every page: it becomes part of what stands around it. A page has more than a hundred.
"""

from jinja2 import Environment, nodes
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from kench.cabinet.words.catalogues import words_of
from kench.cabinet.words.languages import Language

_NAMES = frozenset({"_", "gettext"})


class FoldingEnvironment(Environment):
    """An environment of one language; its autoescape is on."""

    language: Language

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """Parse a template, with the texts that it names put in their places."""
        template: nodes.Template = _Folding(self.language).visit(
            super()._parse(source, name, filename)
        )
        return template


class _Folding(NodeTransformer):
    """Replaces calls of gettext whose only argument is a text."""

    def __init__(self, language: Language) -> None:
        self._words = words_of(language)

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802 - Jinja's name
        """Return the translation of such a call, any other as it is."""
        self.generic_visit(node)
        if (
            isinstance(node.node, nodes.Name)
            and node.node.name in _NAMES
            and len(node.args) == 1
            and isinstance(node.args[0], nodes.Const)
            and not (node.kwargs or node.dyn_args or node.dyn_kwargs)
        ):
            # As gettext in its new style: the text is safe, and %% in it is a percent sign.
            text = Markup(self._words.gettext(node.args[0].value)) % {}  # noqa: S704 - of ours
            return nodes.Const(text, lineno=node.lineno)
        return node

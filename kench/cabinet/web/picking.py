"""Picking a template for a form of the desk: a reload fills the form's fields from it."""

from typing import NamedTuple

import sqlalchemy as sa
from fastapi import Request

from kench.cabinet.desk.templates import Template, TemplateKind, filled, offered
from kench.cabinet.web.visit import Visit
from kench.pool.calendar import day_at

CHOSEN = "template"
"""Name of the query's field."""


class Picking(NamedTuple):
    """What may be picked, and what was."""

    offered: list[Template]
    chosen: Template | None

    @property
    def number(self) -> int | None:
        """Of the one that was picked."""
        return self.chosen.number if self.chosen else None


def picking_of(db: sa.Connection, request: Request, visit: Visit, kind: TemplateKind) -> Picking:
    """Return the templates of a form's kind, and which of them the address names."""
    all_of_them = offered(db, kind, visit.language)
    wanted = request.query_params.get(CHOSEN, "")
    return Picking(
        all_of_them, next((one for one in all_of_them if str(one.number) == wanted), None)
    )


def text_from(visit: Visit, template: Template, *, number: int | str, name: str) -> str:
    """Return a template's text for one application or participant, in its own language."""
    today = visit.formats.day(day_at(visit.now_us))
    return filled(template.text, {"number": str(number), "name": name, "day": today})

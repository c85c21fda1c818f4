"""docs/compliance.md answers each of the decree's thirty requirements with what is really there."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from kench.cli import ROOTS
from kench.pool.database import open_engine
from tests.support.cabinet import cabinet_of, client_of, routes_of

ROOT = Path(__file__).parents[1]
COLUMNS = ["id", "asked", "code", "seen at", "test", "evidence"]


class Row(NamedTuple):
    """A requirement and what answers it; names stand in backticks."""

    id: str
    asked: str
    code: str
    seen_at: str
    test: str
    evidence: str


def rows() -> list[Row]:
    lines = (ROOT / "docs/compliance.md").read_text().splitlines()
    cells = [[one.strip() for one in line.strip("|").split("|")] for line in lines]
    assert COLUMNS in cells
    return [Row(*row) for row in cells if re.fullmatch(r"D\d+", row[0])]


def names_in(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@cache
def source() -> str:
    return "\n".join(path.read_text() for path in (ROOT / "kench").rglob("*.py"))


@pytest.fixture(scope="module")
def routes(module_database: str) -> set[str]:
    """Addresses of pages, each with `N` where a number stands."""
    with cabinet_of(module_database) as cabinet, client_of(cabinet) as client:
        paths = routes_of(client.app)  # type: ignore[arg-type]  # it is the cabinet's own
    return {re.sub(r"\{[^}]+\}", "N", path) for _, path in paths}


@pytest.fixture(scope="module")
def tables(module_database: str) -> set[str]:
    engine = open_engine(module_database, application_name="test")
    names = set(sa.inspect(engine).get_table_names()) | set(sa.inspect(engine).get_view_names())
    engine.dispose()
    return names


def test_each_requirement_has_one_row_in_order() -> None:
    assert [row.id for row in rows()] == [f"D{number}" for number in range(1, 31)]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_what_a_row_names_is_there(row: Row, routes: set[str], tables: set[str]) -> None:
    assert all(row)
    assert not [one for one in names_in(row.code) if not is_code(one)]
    assert not [one for one in names_in(row.seen_at) if not is_seen(one, routes)]
    assert not [one for one in names_in(row.test) if not is_test(one)]
    assert not [one for one in names_in(row.evidence) if not is_evidence(one, tables)]
    assert all(map(names_in, (row.code, row.seen_at, row.test, row.evidence)))


def is_code(name: str) -> bool:
    if "/" in name:
        return (ROOT / "kench" / name).exists()
    return bool(re.search(rf"(?:def|class) {name}\b", source()))


def is_seen(name: str, routes: set[str]) -> bool:
    if name.startswith("kench "):
        return name.split()[1] in ROOTS
    return name in routes


def is_test(name: str) -> bool:
    path, _, function = name.partition("::")
    file = ROOT / path
    return file.exists() and (not function or f"def {function}(" in file.read_text())


def is_evidence(name: str, tables: set[str]) -> bool:
    return name in tables or (ROOT / "docs" / name).exists() or (ROOT / name).exists()

"""docs/security.md names what holds each of its answers, and all of that is there."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLACES = ("", "kench", "kench/cabinet")
"""In which the page's short names of files are looked for."""


def tables() -> list[list[list[str]]]:
    """The cells of each table, its headings first."""
    found: list[list[list[str]]] = []
    before = ""
    for line in (ROOT / "docs/security.md").read_text().splitlines():
        if line.startswith("| "):
            if not before.startswith("|"):
                found.append([])
            found[-1].append([one.strip() for one in line.strip("|").split("|")])
        before = line
    return found


def rows() -> list[tuple[str, str]]:
    """Each threat with what stands in the column "held by"."""
    return [(cells[0], cells[-1]) for table in tables() for cells in table[1:]]


@cache
def code() -> str:
    return "\n".join(path.read_text() for path in (ROOT / "kench").rglob("*.py"))


def is_there(name: str) -> bool:
    """Whether there is such a file or folder, or such a function or class."""
    if "/" in name or name.endswith(".py"):
        return any((ROOT / place / name).exists() for place in PLACES)
    return all(re.search(rf"(?:def|class) {part}\b", code()) for part in name.split("."))


def test_there_are_many_rows_and_each_says_what_holds_it() -> None:
    assert len(rows()) > 100
    for headings, *lines in tables():
        assert headings[-1] == "held by", headings
        assert not [line for line in lines if len(line) != len(headings)]


@pytest.mark.parametrize(("threat", "held"), rows())
def test_what_holds_an_answer_is_there(threat: str, held: str) -> None:
    assert held, threat
    assert not [name for name in re.findall(r"`([^`]+)`", held) if not is_there(name)]
    versions = ROOT / "kench/pool/migrations/versions"
    assert not [one for one in re.findall(r"schema (\d{4})", held)
                if not list(versions.glob(f"{one}_*.py"))]  # fmt: skip


def boundaries() -> list[list[str]]:
    """The rows of the table of boundaries."""
    (table,) = (one for one in tables() if one[0][0] == "boundary")
    return table[1:]


def test_every_boundary_has_assets_attackers_and_a_test_that_holds_it() -> None:
    known = (
        "miner", "browser", "officers' door", "venue", "screening provider", "file of the bank",
        "X-Road and tax", "node", "sign-on of the state", "mail, bots, webhooks",
        "feed between maker and fronts", "NATS cluster", "line of the standby",
        "roles of PostgreSQL", "backup file", "operator's shell", "supply chain",
    )  # fmt: skip
    assert tuple(row[0] for row in boundaries()) == known
    for boundary, *cells in boundaries():
        assert all(cells), boundary


@pytest.mark.parametrize("table", ["boundary", "trick"])
def test_each_row_names_a_module_of_tests_that_has_tests(table: str) -> None:
    """A file that is named and tests nothing would hold nothing."""
    (found,) = (one for one in tables() if one[0][0] == table)
    for row in found[1:]:
        named: list[str] = re.findall(r"`(tests/[^`]+)`", row[-1])
        assert named, row[0]
        for name in named:
            assert "def test_" in (ROOT / name).read_text(), name

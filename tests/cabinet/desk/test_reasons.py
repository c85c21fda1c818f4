"""What the register of orders, the sale and the income refuse is said in each language."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import kench
from kench.cabinet.desk.reasons import LINE_MAX, REASONS, reason_of
from kench.cabinet.registration.gaps import Gap
from kench.cabinet.registration.refusals import ActRefusedError
from kench.cabinet.words.catalogues import words_of
from kench.cabinet.words.languages import Language
from kench.payouts.income.errors import IncomeError
from kench.pool.errors import KenchError
from kench.pool.orders.book import OrderLateError
from kench.sale.acts import ResolutionError

FAULTS = {
    "sale/acts.py": {"ResolutionError"},
    "sale/lots.py": {"NoLotError", "LotMovedError"},
    "pool/orders/book.py": {
        "NoOrderError", "OrderRefusedError", "OrderLateError", "OrderConflictError",
    },
    "pool/orders/document.py": {"InvalidOrderError"},
    "pool/orders/register.py": {"OrderRefusedError", "OrderSignatureError"},
    "payouts/income/periods.py": {"IncomeError", "PeriodClosedError"},
    "payouts/income/correct.py": {"IncomeError"},
}  # fmt: skip
"""Where the reasons are that pages show, and which."""


def raised(path: str, faults: set[str]) -> Iterator[str]:
    """What a module says of these faults, each value of it as a mark."""
    for node in ast.walk(ast.parse((Path(kench.__file__).parent / path).read_text())):
        if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
            continue
        if not isinstance(node.exc.func, ast.Name) or node.exc.func.id not in faults:
            continue
        said = node.exc.args[0]
        if isinstance(said, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "*" for part in said.values
            )
        elif isinstance(said, ast.Constant):
            yield str(said.value)


@pytest.mark.parametrize("path", FAULTS)
def test_each_reason_that_a_page_may_show_is_a_text_of_the_catalogues(path: str) -> None:
    known = {re.sub(r"%\(\w+\)s", "*", text) for text in REASONS}
    said = list(raised(path, FAULTS[path]))
    assert said
    assert not [text for text in said if text not in known]


def test_a_reason_is_said_with_its_values_and_states_by_their_names() -> None:
    russian = words_of(Language.RU).gettext
    late = OrderLateError(
        "order 3 would be in force from height 7, and it is height 9 already: draft it anew with a "
        "later effective.height"
    )
    refused = ActRefusedError("The register refuses this order: %(why)s", why=reason_of(late))
    assert "приказ 3 действовал бы с height 7" in refused.said(russian)
    assert "order 3 would be in force" in str(refused)
    wrong = ResolutionError("a lot that is sold has no resume: only halted, held have")
    said = Gap("act", "%(why)s", {"why": reason_of(wrong)}).said(russian)
    assert russian("sold, to be settled") in said
    assert russian("halted: a guard on the price tripped") in said
    closed = reason_of(IncomeError("period 2026-10 is not closed"))
    assert closed.said(russian) == "период 2026-10 не закрыт"


def test_what_is_not_known_or_too_long_stays_as_it_is() -> None:
    long = "period " + "x" * LINE_MAX + " is closed"
    assert reason_of(long).said(words_of(Language.KY).gettext) == long
    odd = reason_of(KenchError("100% of %(it)s broke"))
    assert odd.said(words_of(Language.KY).gettext) == "100% of %(it)s broke"
    assert Gap("x", "%(why)s", {"why": odd}).said(str) == "100% of %(it)s broke"

"""Every rule of section A has a test that names it. The list is data; a marker is the claim."""

import ast
from collections.abc import Iterator
from pathlib import Path

# Section A of the Stratum conformance list: how many rules each of its parts has.
PARTS = {1: 17, 2: 10, 3: 8, 4: 8, 5: 4, 6: 11, 7: 12, 8: 17, 9: 9, 10: 4}
RULES = {f"A{part}.{number}" for part, count in PARTS.items() for number in range(1, count + 1)}


def marked(tree: ast.Module) -> Iterator[str]:
    """Rule numbers that a module's tests are marked with."""
    for node in ast.walk(tree):
        is_function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        if not is_function or not node.name.startswith("test_"):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith(".rule"):
                for argument in decorator.args:
                    assert isinstance(argument, ast.Constant), node.name
                    yield str(argument.value)


def test_each_rule_of_section_a_is_held_by_a_test_and_no_test_names_another() -> None:
    found: set[str] = set()
    for module in Path(__file__).parent.glob("test_*.py"):
        found.update(marked(ast.parse(module.read_text(encoding="utf-8"))))
    assert found == RULES, {"without a test": RULES - found, "unknown": found - RULES}

"""docs/orders.md says what is so: its example is an order, and it names every section and key."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from kench.pool.address import address_of, burn_address
from kench.pool.orders.document import canonical, read_document
from kench.pool.orders.rules import METHODS, SaleRule, Section

PAGE = (Path(__file__).parents[3] / "docs/orders.md").read_text()


def example() -> dict[str, Any]:
    found = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert found
    order: dict[str, Any] = json.loads(found[1])
    addresses = burn_address("main"), address_of(b"\x00\x14" + b"\x01" * 20, "main")
    for venue, address in zip(order["rules"]["venues"], addresses, strict=True):
        venue["address"] = address
    return order


def test_the_example_is_an_order_with_every_section() -> None:
    rules = read_document(canonical(example())).rules
    assert set(rules.held()) == set(Section)


def test_sections_methods_and_keys_are_named() -> None:
    keys = {field.name for field in dataclasses.fields(SaleRule)}
    assert example()["rules"]["sale"].keys() == keys
    for word in (*Section, *METHODS):
        assert f"`{word}`" in PAGE

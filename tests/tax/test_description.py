"""The description is OpenAPI 3.0.3, valid, kept in docs, and of exactly what is served."""

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator

from kench.tax.app import make_app
from kench.tax.description import description, render
from tests.support.cabinet import routes_of
from tests.support.tax import provider_of

ROOT = Path(__file__).parents[2]


def test_the_page_in_docs_is_this_description() -> None:
    assert (ROOT / "docs/tax-api.json").read_text() == render()


def test_it_is_valid_openapi_of_the_version_that_security_servers_read() -> None:
    assert description()["openapi"] == "3.0.3"
    assert not list(OpenAPIV30SpecValidator(description()).iter_errors())


def examples(node: Any) -> list[tuple[Any, Any]]:
    """Each example with its schema."""
    found = []
    if isinstance(node, dict):
        if "example" in node and "schema" in node:
            found.append((node["schema"], node["example"]))
        if "example" in node and "type" in node:
            found.append((node, node["example"]))
        for one in node.values():
            found += examples(one)
    elif isinstance(node, list):
        for one in node:
            found += examples(one)
    return found


def test_every_example_is_as_its_schema_says() -> None:
    found = examples(description())
    assert len(found) > 15
    for schema, example in found:
        whole = {"components": description()["components"], "allOf": [schema]}
        assert not list(OAS30Validator(whole).iter_errors(example)), example


def test_it_describes_each_route_and_no_other(database: str) -> None:
    with provider_of(database) as provider:
        served = set(routes_of(make_app(provider)))
    described = {
        (method.upper(), path)
        for path, methods in description()["paths"].items()
        for method in methods
    }
    assert served == described | {("GET", "/openapi.json")}


def test_nothing_is_named_that_is_not_there() -> None:
    text = json.dumps(description())
    for name in description()["components"]["schemas"]:
        assert f"#/components/schemas/{name}" in text or name == "Record"


@pytest.mark.parametrize("path", sorted(description()["paths"]))
def test_every_refusal_is_a_problem(path: str) -> None:
    for operation in description()["paths"][path].values():
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert answer == {"$ref": "#/components/responses/Problem"}

"""Both implementations of kench.native under one roof, and what tests build from them."""

import importlib
from types import SimpleNamespace

import pytest

_MODULES = {
    "python": ("twin", "twin_table", "twin_gate", "twin_sending", "twin_wire", "twin_counting"),
    "cython": ("_arithmetic", "_table", "_gate", "_sending", "_wire", "_counting"),
}


class Implementation(SimpleNamespace):
    """The names of one implementation; shown by its own name when a test fails."""

    def __repr__(self) -> str:
        return f"<{self.IMPLEMENTATION}>"


def implementation(name: str) -> Implementation:
    """Gather one implementation's modules; ImportError where nothing is compiled."""
    names: dict[str, object] = {}
    for module in _MODULES[name]:
        names.update(vars(importlib.import_module(f"kench.native.{module}")))
    return Implementation(**names)


@pytest.fixture(scope="session", params=["python", "cython"])
def native(request: pytest.FixtureRequest) -> Implementation:
    """The names of kench.native, of the twin and of the compiled code in turn."""
    return implementation(request.param)


@pytest.fixture(scope="session")
def twins() -> tuple[Implementation, Implementation]:
    """Both implementations, the specification first."""
    return implementation("python"), implementation("cython")

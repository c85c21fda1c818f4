"""Fixtures of the Stratum tests: sessions run on the twin and on the compiled code in turn."""

import importlib

import pytest

from kench import native
from tests.support.sessions import Miner, Pool

_MODULES = {"python": ("twin_table", "twin_gate"), "cython": ("_table", "_gate")}
_NAMES = ("Gate", "Job", "JobTable", "RecordBuffer")


@pytest.fixture(params=["python", "cython"])
def pool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Pool:
    """A pool whose gate is the twin, then one whose gate is compiled."""
    found = {}
    for module in _MODULES[request.param]:
        found.update(vars(importlib.import_module(f"kench.native.{module}")))
    for name in _NAMES:
        monkeypatch.setattr(native, name, found[name])
    return Pool()


@pytest.fixture
def miner(pool: Pool) -> Miner:
    """A miner on a connection of its own that has said nothing yet."""
    return pool.miner()

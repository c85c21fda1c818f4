"""A node for each module: `kench node` always, Bitcoin Core where KENCH_TEST_BITCOIND names it."""

from collections.abc import Iterator

import pytest

from tests.support.nodes import BITCOIND, Node, core_node, kench_node

KINDS = ["kench", "core"] if BITCOIND else ["kench"]


@pytest.fixture(scope="module", params=KINDS)
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Node]:
    """One node for the tests of a module, with a chain of at least 20 blocks."""
    folder = tmp_path_factory.mktemp(request.param)
    starter = (
        kench_node(folder, "--block-difficulty", "0")
        if request.param == "kench"
        else core_node(folder)
    )
    with starter as running:
        running.rpc.call("generatetoaddress", 20, ADDRESS)
        yield running


ADDRESS = "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202"
"""Address of 20 zero bytes, a hash of no key known to anyone."""

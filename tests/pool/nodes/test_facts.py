from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.nodes.facts import (
    HEADERS_AHEAD_MAX,
    NodeView,
    Tip,
    candidates_of,
    status_of,
    tip_of_chain_info,
    why_none_usable,
    why_unusable,
)
from kench.pool.rpc import NodeGarbledError

HASHES = ["aa" * 32, "bb" * 32, "cc" * 32]


def _info(chain: str, blocks: int = 100, headers: int = 100, **more: Any) -> dict[str, Any]:
    return {"chain": chain, "blocks": blocks, "headers": headers, **more}


def _view(name: str, tip: int = 0, work: int = 10, why: str | None = None) -> NodeView:
    return NodeView(name, Tip(HASHES[tip], 100, work), why)


def test_b18_a_synced_node_of_the_main_network_is_usable() -> None:
    assert why_unusable(_info("main", initialblockdownload=False), 8, "main") is None


def test_b18_the_main_network_needs_a_finished_download_and_peers() -> None:
    loading = _info("main", initialblockdownload=True)
    assert why_unusable(loading, 8, "main") == "is in initial block download"
    assert why_unusable(_info("main"), 0, "main") == "has no peers"


def test_regtest_is_usable_though_core_says_initial_download() -> None:
    fresh = _info("regtest", 0, 0, initialblockdownload=True)
    assert why_unusable(fresh, 0, "regtest") is None


def test_a_test_network_at_its_genesis_block_is_usable_and_one_that_loads_is_not() -> None:
    genesis = _info("testnet4", 0, 0, initialblockdownload=True)
    assert why_unusable(genesis, 0, "testnet4") is None
    loading = _info("testnet4", 0, 1, initialblockdownload=True)
    assert why_unusable(loading, 8, "testnet4") == "is in initial block download"


@pytest.mark.parametrize("chain", ["main", "testnet4", "signet"])
def test_a_node_far_behind_its_own_headers_is_catching_up(chain: str) -> None:
    behind = _info(chain, 100, 100 + HEADERS_AHEAD_MAX)
    assert "catching up" in str(why_unusable(behind, 8, chain))
    assert why_unusable(_info(chain, 100, 99 + HEADERS_AHEAD_MAX), 8, chain) is None


def test_another_network_is_named() -> None:
    assert why_unusable(_info("test"), 8, "main") == "is on network test, not main"


def test_b18_a_node_with_less_work_is_no_candidate_though_higher_in_blocks() -> None:
    ahead = NodeView("a", Tip(HASHES[0], 100, 11), None)
    behind = NodeView("b", Tip(HASHES[1], 200, 10), None)
    assert candidates_of([behind, ahead], set(), HASHES[1]) == [ahead]


def test_an_unusable_node_with_more_work_holds_nobody_back() -> None:
    dead = _view("a", 0, 11, why="cannot be reached")
    assert candidates_of([dead, _view("b", 1, 10)], set(), None) == [_view("b", 1, 10)]


def test_of_two_tips_of_equal_work_the_one_worked_on_stays() -> None:
    views = [_view("a", 0), _view("b", 1)]
    assert [view.name for view in candidates_of(views, set(), HASHES[1])] == ["b"]
    assert [view.name for view in candidates_of(views, set(), None)] == ["a", "b"]


def test_slow_nodes_are_asked_last() -> None:
    views = [_view("a"), _view("b"), _view("c")]
    assert [view.name for view in candidates_of(views, {"a"}, None)] == ["b", "c", "a"]


VIEWS = st.lists(
    st.builds(
        _view,
        st.sampled_from("abcdef"),
        st.integers(0, 2),
        st.integers(1, 3),
        st.sampled_from([None, None, "broken"]),
    ),
    unique_by=lambda view: view.name,
)


@given(VIEWS, st.sets(st.sampled_from("abcdef")), st.sampled_from([None, *HASHES]))
def test_b18_candidates_are_the_usable_nodes_that_nobody_is_ahead_of(
    views: list[NodeView], slow: set[str], current: str | None
) -> None:
    candidates = candidates_of(views, slow, current)
    usable = [view.tip.chainwork for view in views if view.why is None and view.tip]
    assert bool(candidates) == bool(usable)
    for view in candidates:
        assert view.why is None
        assert view.tip is not None
        assert view.tip.chainwork == max(usable)


def test_why_no_node_is_usable_names_each_node_once() -> None:
    views = [_view("a", why="node a cannot be reached: refused"), NodeView("b")]
    assert (
        why_none_usable(views) == "node a cannot be reached: refused; node b has not answered yet"
    )


def test_the_status_line_has_the_keys_of_the_contract() -> None:
    assert status_of(_view("a")) == {
        "name": "a",
        "usable": True,
        "why": None,
        "height": 100,
        "tip": HASHES[0],
    }
    assert status_of(NodeView("b"))["height"] is None


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"bestblockhash": "zz", "blocks": 1, "chainwork": "01"},
        {"bestblockhash": "aa", "blocks": 1, "chainwork": "01"},
        {"bestblockhash": "aa" * 32, "blocks": "1", "chainwork": "01"},
        {"bestblockhash": "aa" * 32, "blocks": 1, "chainwork": None},
    ],
)
def test_an_answer_unlike_cores_is_garbled(answer: Any) -> None:
    with pytest.raises(NodeGarbledError, match="unlike Bitcoin Core"):
        tip_of_chain_info("a", answer)

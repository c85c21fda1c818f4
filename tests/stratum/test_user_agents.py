"""User agents as numbers: bounded, given out again, never another's."""

import pytest

from kench.native import Verdict
from kench.stratum import user_agents
from kench.stratum.user_agents import NONE, OTHER, UserAgents
from tests.support.sessions import Pool


def test_sessions_of_one_user_agent_share_its_number() -> None:
    agents = UserAgents()
    first = agents.take("bosminer/1.2", known=True)
    assert agents.take("bosminer/1.2", known=False) == first
    assert agents.take("bosminer/1.3", known=True) != first
    assert agents.text(first) == "bosminer/1.2"


def test_no_user_agent_and_other_have_numbers_of_their_own() -> None:
    agents = UserAgents()
    assert agents.take("", known=True) == NONE
    assert agents.take("other", known=True) == OTHER
    assert len(agents) == 0


def test_a_number_is_kept_until_its_refusals_are_named_and_then_given_out_again() -> None:
    agents = UserAgents()
    gone = agents.take("gone", known=True)
    agents.give_back(gone)
    assert agents.take("next", known=True) != gone
    tally = {(1, 2, Verdict.STALE, gone): 3}
    assert agents.named(tally) == {(1, 2, Verdict.STALE, "gone"): 3}
    assert agents.take("fresh", known=True) == gone


def test_a_session_that_returns_before_the_tally_keeps_its_number() -> None:
    agents = UserAgents()
    number = agents.take("rig", known=True)
    agents.give_back(number)
    assert agents.take("rig", known=True) == number
    agents.named({})
    assert agents.text(number) == "rig"


def test_strangers_fill_half_of_the_table_and_those_logged_in_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(user_agents, "AGENTS_MAX", 4)
    monkeypatch.setattr(user_agents, "STRANGERS_MAX", 2)
    agents = UserAgents()
    numbers = [agents.take(f"stranger/{one}", known=False) for one in range(3)]
    assert numbers[2] == OTHER
    assert [agents.take(f"rig/{one}", known=True) == OTHER for one in range(3)] == [
        False, False, True,
    ]  # fmt: skip


def test_a_session_is_counted_by_its_user_agent_from_its_login_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(user_agents, "STRANGERS_MAX", 0)
    pool = Pool()
    miner = pool.miner()
    miner.login()
    share = miner.share()
    miner.submit(share)
    miner.submit(share)
    (key,) = pool.user_agents.named(pool.table.take_tally())
    assert key == (1, 11, Verdict.DUPLICATE, miner.session.user_agent)
    assert miner.session.user_agent

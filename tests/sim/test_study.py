"""A whole run: deterministic, of the pool's own sizes, on costs that a file names."""

import json
from pathlib import Path

import pytest

from kench.pool.clock import ManualClock
from kench.pool.journal.format import SHARE
from kench.sim.costs import Costs, CostsError
from kench.sim.sizes import Sizes, make_job
from kench.sim.study import Plan, fronts_of, study
from kench.sim.tables import facts_of, tables_of
from kench.stratum.difficulty import DifficultyLimits
from tests.support.jobs import large_template, small_jobs_maker

PLAN = Plan(
    workers=3000,
    participants=60,
    fronts=(1, 3),
    hours=0.25,
    seed=7,
    network_ehs=1000.0,
    limits=DifficultyLimits(65_536.0, 1e-9, 1e12, 12.0),
    job_refresh_s=25.0,
    logins_per_s=50_000.0,
)


def silent(_words: str) -> None:
    """Say nothing."""


def test_the_same_seed_finds_the_same_and_another_does_not() -> None:
    costs = Costs.read(None)
    one, again = study(PLAN, costs, silent), study(PLAN, costs, silent)
    assert json.dumps(one.as_object()) == json.dumps(again.as_object())
    single, three = one.pools
    assert (single.fronts, three.fronts) == (1, 3)
    assert single.connections == 3000
    assert 1000 <= three.connections < 1200
    assert three.last_job_ms is not None
    assert single.last_job_ms is not None
    assert three.last_job_ms < single.last_job_ms
    assert single.front_dies_s is None
    assert three.front_dies_s is not None
    assert single.volumes.rows_day == three.volumes.rows_day
    shown = " ".join(table.title or "" for table in tables_of(one)) + facts_of(one)[0]
    assert "seed 7" in shown
    assert costs.machine in shown


def test_a_front_that_cannot_carry_it_is_said_to_be_over() -> None:
    plan = Plan(**{**_fields(PLAN), "workers": 20_000, "fronts": (1,), "hours": 0.02,
                   "limits": DifficultyLimits(1000.0, 1e-9, 1000.0, 12.0)})  # fmt: skip
    (pool,) = study(plan, Costs.read(None), silent).pools
    assert pool.everyday.loop > 1
    assert pool.new_block is None
    assert pool.last_job_ms is None


def _fields(plan: Plan) -> dict[str, object]:
    return {name: getattr(plan, name) for name in Plan.__dataclass_fields__}


def test_sizes_are_those_of_the_pools_own_writing() -> None:
    made = make_job(ManualClock())
    real = small_jobs_maker().make(large_template())
    # The recorded template has as many branches; heights and rewards have other lengths.
    assert len(made.notify_more) == pytest.approx(len(real.notify_more), rel=0.03)
    assert len(made.archived.line()) == pytest.approx(len(real.archived.line()), rel=0.03)
    sizes = Sizes.of(made)
    assert sizes.record == SHARE.itemsize
    assert sizes.feed_job > len(made.notify_clean) * 2


def test_costs_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    costs = Costs.read(None)
    path = tmp_path / "costs.json"
    path.write_text(costs.text())
    assert Costs.read(path) == costs
    assert costs.delivery_s(1) == costs.deliveries_s[0][1]
    assert costs.delivery_s(1) < costs.delivery_s(10) < costs.delivery_s(32)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 2}'])
def test_costs_that_cannot_be_read_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "costs.json"
    path.write_text(text)
    with pytest.raises(CostsError, match=r"costs\.json"):
        Costs.read(path)


def test_fronts_are_numbers_from_one_on() -> None:
    assert fronts_of("1,2,16") == (1, 2, 16)
    with pytest.raises(ValueError, match="1 or more"):
        fronts_of("0,2")

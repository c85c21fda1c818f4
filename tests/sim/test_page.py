"""docs/capacity.md says what the stored costs and what was simulated of them give, and no more."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from kench.native import JobTable
from kench.pool.clock import ManualClock
from kench.pool.postgres_cluster import OPTIONS
from kench.sim.costs import Costs, CostsError
from kench.sim.memory import LONG_TIP_S, SHARED_BUFFERS_MIN, shared_buffers
from kench.sim.needs import Machine, Needs, chosen
from kench.sim.page import SIZES, Kept, digest_of, kept_beside, page_with, simulate, tables_of
from kench.sim.sizes import make_job
from kench.sim.study import Plan, study
from kench.sim.words import number, or_over, seconds, size
from kench.stratum.service import DUPLICATES_MAX

PAGE = Path(__file__).parents[2] / "docs/capacity.md"
ANEW = "make it anew: kench sim --page docs/capacity.md"
SMALL = 10_000


@pytest.fixture(scope="module")
def costs() -> Costs:
    return Costs.read(None)


@pytest.fixture(scope="module")
def kept() -> Kept:
    return Kept.read(kept_beside(PAGE))


@pytest.fixture(scope="module")
def again(costs: Costs) -> Kept:
    return simulate([one for one in SIZES if one[0] <= SMALL], costs, lambda _: None)


def test_the_page_has_the_tables_of_what_is_kept(costs: Costs, kept: Kept) -> None:
    page = PAGE.read_text()
    assert page_with(page, tables_of(kept, costs)) == page, ANEW


def test_what_is_kept_is_of_the_costs_that_come_with_the_program(costs: Costs, kept: Kept) -> None:
    assert kept.costs == digest_of(costs), ANEW
    every = [
        (workers, per_minute, count) for workers, per_minute, all_of in SIZES for count in all_of
    ]
    assert [(one.workers, one.shares_per_minute, one.fronts) for one in kept.rows] == every


def test_what_is_kept_is_what_the_simulation_finds(kept: Kept, again: Kept) -> None:
    for before, now in zip(kept.rows, again.rows, strict=False):
        for name, value in asdict(now).items():
            wanted = getattr(before, name)
            assert value == (wanted if wanted is None else pytest.approx(wanted)), (name, ANEW)


def test_costs_that_change_change_the_page(costs: Costs, kept: Kept) -> None:
    slower = replace(costs, front=replace(costs.front, send_s=2 * costs.front.send_s))
    assert digest_of(slower) != kept.costs
    changed = page_with(PAGE.read_text(), tables_of(kept, slower))
    assert changed != PAGE.read_text()


def test_a_page_without_a_place_for_a_table_is_refused(costs: Costs, kept: Kept) -> None:
    with pytest.raises(CostsError, match=r"no place for: .*memory"):
        page_with("<!-- kench sim: needs -->\n<!-- end -->", tables_of(kept, costs))


@pytest.mark.parametrize("text", ["", "[]", '{"rows": [{}], "costs": ""}', '{"costs": ""}'])
def test_what_was_kept_of_another_version_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "capacity.json"
    path.write_text(text)
    with pytest.raises(CostsError, match="make capacity"):
        Kept.read(path)


def test_twice_the_memory_of_a_session_is_that_much_more_at_its_front(
    costs: Costs, again: Kept
) -> None:
    memory = replace(costs.memory, session=2 * costs.memory.session)
    (wide, *_) = simulate(SIZES[:1], replace(costs, memory=memory), lambda _: None).rows
    before = again.rows[0]
    assert wide.front_bytes - before.front_bytes == pytest.approx(1000 * costs.memory.session)
    assert wide.front_hashes_bytes == before.front_hashes_bytes


def test_smaller_machines_are_more(costs: Costs, again: Kept) -> None:
    plan_row = chosen(again.groups()[1])
    assert plan_row.is_one_machine
    plan = Plan.by_settings(SMALL, (2,), 0.1, 7, 12.0, 1000.0)
    found = study(plan, costs, lambda _: None)
    tiny = Machine(cores=1, memory_bytes=0.4e9, link_bps=5e6)
    needs = Needs.of(plan, found, found.pools[0], costs, tiny)
    assert not needs.is_one_machine
    assert needs.front_machines >= 2
    assert needs.centre_machines >= 2


def test_fronts_are_enough_where_their_hashes_have_room_for_a_long_tip(kept: Kept) -> None:
    for group in kept.groups():
        best = chosen(group)
        assert best.is_enough
        assert best.tip_s >= LONG_TIP_S
        assert all(not one.is_enough for one in group[: group.index(best)])
        assert best.tip_s == pytest.approx(DUPLICATES_MAX / best.front_shares_per_s)


def test_a_front_refuses_when_its_hashes_have_no_room() -> None:
    table, job = JobTable(8, 3), make_job(ManualClock())
    table.add(job.prepared)
    assert [table.remember(job.key, bytes([one] * 32)) for one in range(1, 5)] == [
        True, True, True, False,
    ]  # fmt: skip


def test_shared_buffers_begin_with_what_the_embedded_database_has() -> None:
    assert OPTIONS["shared_buffers"] == f"{SHARED_BUFFERS_MIN >> 20}MB"
    assert shared_buffers(0) == SHARED_BUFFERS_MIN
    assert shared_buffers(SHARED_BUFFERS_MIN + 1) == 2 * SHARED_BUFFERS_MIN


def test_figures_have_the_digits_they_are_worth() -> None:
    assert [number(one) for one in (0.0, 0.0123, 1.26, 18.4, 190_123.0, 0.0996)] == [
        "0", "0.012", "1.3", "18", "190,000", "0.10",
    ]  # fmt: skip
    assert [size(one) for one in (12.0, 3_200.0, 1e9)] == ["12 bytes", "3.2 KB", "1.0 GB"]
    assert [seconds(one) for one in (0.0123, 2.8, 1400.0, 5800.0, 200_000.0)] == [
        "12 ms", "2.8 s", "23 min", "1.6 h", "2.3 d",
    ]  # fmt: skip
    assert or_over(None) == "over"

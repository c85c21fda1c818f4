"""`kench reload` of the machine that makes all jobs: its miners stay, and one machine leads on."""

from pathlib import Path

import sqlalchemy as sa

from kench.pool.register import add_participant
from tests.integration.test_machines import QUICK as QUICK_FEED
from tests.integration.test_machines import (
    TAKEOVER_S,
    feed,
    job_of,
    leader_and_standby,
    new_tip,
    start_all,
)
from tests.integration.test_reload import QUICK, Farm, assert_all_are_kept_once, reload_beside
from tests.support.long import ONLY_LONG
from tests.support.machines import running_machines
from tests.support.waiting import await_that

RIGS = 4


@ONLY_LONG
def test_a_leader_that_is_reloaded_keeps_its_miners_and_one_machine_leads_on(
    tmp_path: Path, database: str, engine: sa.Engine
) -> None:
    with engine.begin() as connection:
        participant, token = add_participant(connection, "load")
    login = f"{participant}.rig", token
    with running_machines(tmp_path, database, **QUICK, **QUICK_FEED) as machines:
        first, second = machines.add("first"), machines.add("second")
        start_all(first, second)
        leader, standby = leader_and_standby(first, second)
        epoch, maker = feed(leader)["epoch"], leader.processes["stratum"].pid
        numbers = leader.state()["machine"]["numbers"]
        farm, beside = Farm(login), Farm(login)
        for _ in range(RIGS):
            farm.add(leader.stratum_port)
        beside.add(standby.stratum_port)
        farm.mine()
        beside.mine()

        said = reload_beside(leader, farm)

        assert "reloaded" in said[-1]
        assert leader.processes["stratum"].poll() is None
        assert leader.processes["stratum"].pid == maker
        assert leader.state()["machine"]["numbers"] == numbers
        roles = ["follows", "leads"]
        await_that(
            lambda: sorted(feed(one)["role"] for one in (first, second)) == roles, TAKEOVER_S
        )
        await_that(lambda: feed(first)["epoch"] == feed(second)["epoch"] >= epoch)
        # Jobs go from one to the other as before, and nobody's miners were let go.
        tip = new_tip(machines)
        await_that(lambda: all(job_of(one)[0] == tip for one in (first, second)), TAKEOVER_S)
        farm.mine()
        beside.mine()
        assert len(farm.moved) == RIGS
        assert beside.moved == set()
        for one in (farm, beside):
            one.close()
        assert_all_are_kept_once(leader.folder, farm)
        assert_all_are_kept_once(standby.folder, beside)

"""Several machines serve one maker's jobs: it dies or stands still, the cluster goes and comes."""

import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kench.pool.address import burn_address, script_of
from kench.pool.clock import SystemClock
from kench.pool.job import notify_lines
from kench.pool.register import add_participant
from kench.stratum.centre.board import STREAM, SUBJECT
from kench.stratum.centre.message import decode, encode
from tests.support.client import StratumClient
from tests.support.load import Load
from tests.support.long import ONLY_LONG
from tests.support.machines import Machines, running_machines
from tests.support.nats import connected
from tests.support.pool import EASY_SHARES, Pool
from tests.support.waiting import await_that

WAIT_S = 30.0
REGTEST = "regtest"
# The lease of the tests is 0.8 s; busy machines are given much more.
TAKEOVER_S = 10.0
QUICK = {"KENCH_JOB_REFRESH_S": "1", "KENCH_FEED_AWAY_S": "3", "KENCH_NUMBER_LEASE_S": "200"}


def feed(pool: Pool) -> dict[str, Any]:
    found: dict[str, Any] = pool.state()["feed"]
    return found


def job_of(pool: Pool) -> tuple[str, float]:
    """What a machine mines on, and how old its newest job is."""
    front = next(iter(pool.state()["fronts"].values()))
    return front.get("tip") or "", front.get("job_age_s") or 0.0


@pytest.fixture
def login(engine: sa.Engine) -> tuple[str, str]:
    with engine.begin() as connection:
        participant, token = add_participant(connection, "load")
    return f"{participant}.rig", token


@pytest.fixture
def machines(tmp_path: Path, database: str) -> Iterator[Machines]:
    with running_machines(tmp_path, database, **EASY_SHARES, **QUICK) as running:
        yield running


def loaded(pool: Pool, login: tuple[str, str]) -> Load:
    load = Load(pool.stratum_port, *login, connections=4, reconnects=True)
    load.start(wanted=200)
    return load


def new_tip(machines: Machines) -> str:
    """Have the node find a block; return the tip that it is."""
    machines.node.rpc.call("generatetoaddress", 1, "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202")
    tip: str = machines.node.rpc.call("getbestblockhash")
    return tip


def find_block(pool: Pool, login: tuple[str, str]) -> None:
    """Submit shares at a machine until one of them is a block."""

    def found() -> int:
        return len([*pool.folder.glob("blocks/*/*.found"), *pool.folder.glob("blocks/*/*.told")])

    before = found()
    with StratumClient(pool.stratum_port, WAIT_S) as miner:
        assert miner.login(*login)
        miner.submit_until(login[0], lambda: found() > before)


def post_thefts(machines: Machines, pool: Pool) -> None:
    """Post jobs as somebody whom the cluster lets write, though none of ours made them."""
    paid = script_of(burn_address(REGTEST), REGTEST)
    thief = paid.replace(paid[3:23], b"\x66" * 20)
    refused = feed(pool)["refused"]
    with connected(machines.servers.plan("thief")) as cluster:
        found = cluster.ask(cluster.jetstream.get_last_msg(STREAM, SUBJECT), WAIT_S)
        now_us = SystemClock().now_us()
        heard = decode(found.data or b"", now_us, WAIT_S)
        coinb2 = heard.job.archived.coinb2
        assert coinb2.count(paid) == 1
        archived = replace(heard.job.archived, coinb2=coinb2.replace(paid, thief))
        clean, more = notify_lines(archived)
        theft = replace(heard.job, archived=archived, notify_clean=clean, notify_more=more)
        for message in (
            encode(theft, heard.epoch, now_us),
            encode(heard.job, heard.epoch + 9, now_us),
            b"\xff" * 60,
        ):
            cluster.ask(cluster.jetstream.publish(SUBJECT, message), WAIT_S)
    for why in ("custody", "not-leading", "unreadable"):
        await_that(lambda: feed(pool)["refused"][why] > refused[why])  # noqa: B023 - called at once
    assert pool.state()["serving"]


def start_all(*pools: Pool) -> None:
    """Start machines at one time, and wait until all are ready."""
    started = [pool.spawn("stratum") for pool in pools]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "kench stratum: ready\n"


def leader_and_standby(one: Pool, other: Pool) -> tuple[Pool, Pool]:
    """Return the machine that makes jobs, once it does, and the one that stands by."""
    leader, standby = (one, other) if feed(one)["role"] == "leads" else (other, one)
    await_that(lambda: feed(leader)["role"] == "leads")
    return leader, standby


def test_machines_of_a_pool_outlive_their_job_maker_and_their_cluster(
    tmp_path: Path, database: str, login: tuple[str, str]
) -> None:
    with running_machines(
        tmp_path, database, block_difficulty="1e-8", **EASY_SHARES, **QUICK
    ) as machines:
        first, second = machines.add("first"), machines.add("second")
        region = machines.add("region", node=False)
        node = machines.node.rpc
        start_all(first, second, region)
        leader, standby = leader_and_standby(first, second)
        assert (feed(standby)["role"], feed(region)["role"]) == ("follows", "follows")
        # Whoever may write to the cluster has no job of his served.
        post_thefts(machines, region)
        with StratumClient(region.stratum_port, WAIT_S) as miner:
            assert miner.login(*login)
            assert "66" * 20 not in miner.wait_for_job()[3]
        # A block found where no node is.
        height, epoch = node.call("getblockcount"), feed(region)["epoch"]
        find_block(region, login)
        await_that(lambda: node.call("getblockcount") > height)
        await_that(lambda: job_of(region)[0] == node.call("getbestblockhash"))

        leader.kill_stratum()
        await_that(lambda: feed(standby)["role"] == "leads", TAKEOVER_S)
        await_that(lambda: feed(region)["epoch"] > epoch)
        # Who comes back follows; who stood still is not followed.
        start_all(leader)
        maker = standby.processes["stratum"].pid
        os.kill(maker, signal.SIGSTOP)
        await_that(lambda: feed(leader)["role"] == "leads", TAKEOVER_S)
        os.kill(maker, signal.SIGCONT)
        await_that(lambda: feed(standby)["role"] == "follows", TAKEOVER_S)
        tip = new_tip(machines)
        await_that(lambda: all(job_of(one)[0] == tip for one in machines.each.values()))

        height = node.call("getblockcount")
        with StratumClient(region.stratum_port, WAIT_S) as miner:
            assert miner.login(*login)
            miner.wait_for_job()
            machines.servers.servers[0].kill()
            await_that(lambda: "cluster is away" in (feed(region)["away"] or ""))
            # The last job is still worth its work for a while; then miners are let go.
            find_block(region, login)
            miner.wait_until_closed()
        assert "cluster is away" in region.state()["why"]
        assert node.call("getblockcount") == height
        # Machines with nodes go on alone.
        await_that(lambda: {feed(one)["role"] for one in (first, second)} == {"alone"})

        machines.servers.servers[0].start()
        await_that(lambda: region.state()["serving"])
        await_that(lambda: node.call("getblockcount") > height)
        roles = ["follows", "leads"]
        await_that(lambda: sorted(feed(one)["role"] for one in (first, second)) == roles)
        tip = new_tip(machines)
        await_that(lambda: all(job_of(one)[0] == tip for one in machines.each.values()))
        assert not any(region.folder.glob("blocks/*/*.found"))
        assert feed(first)["blocks"]["refused"] == 0


@ONLY_LONG
def test_a_standby_takes_over_and_no_extranonce_is_given_twice(
    machines: Machines, login: tuple[str, str]
) -> None:
    first, second = machines.add("first"), machines.add("second")
    region = machines.add("region", node=False)
    first.start("stratum")
    await_that(lambda: feed(first)["role"] == "leads")
    for one in (second, region):
        one.start("stratum")
    assert (feed(second)["role"], feed(region)["role"]) == ("follows", "follows")
    assert not feed(region)["candidate"]
    loads = [loaded(one, login) for one in (first, second, region)]
    for load in loads:
        load.wait()
    tip = new_tip(machines)
    await_that(lambda: all(job_of(one)[0] == tip for one in machines.each.values()))
    epoch = feed(region)["epoch"]

    first.kill_stratum()
    await_that(lambda: feed(second)["role"] == "leads", TAKEOVER_S)
    assert feed(second)["epoch"] > epoch
    tip = new_tip(machines)
    await_that(lambda: all(job_of(one)[0] == tip for one in (second, region)), TAKEOVER_S)
    for load in loads[1:]:
        load.more(200)
        load.wait()
    # Who comes back follows.
    first.start("stratum")
    loads[0].more(100)
    loads[0].wait()
    assert feed(first)["role"] == "follows"
    for load in loads:
        load.reconnects = False
        load.end()
        assert not [why for why in load.refused if "not found" not in why and "tale" not in why]
    given = [value for load in loads[1:] for value in load.extranonces]
    assert len(set(given)) == len(given)
    assert not set(given) & set(loads[0].extranonces)


@ONLY_LONG
def test_a_copied_data_folder_is_refused_while_the_first_one_serves(
    machines: Machines, login: tuple[str, str]
) -> None:
    first = machines.add("first")
    first.start("stratum")
    with StratumClient(first.stratum_port, WAIT_S) as miner:
        assert miner.login(*login)
        numbers = first.state()["machine"]["numbers"]
        copy = machines.add("copy")
        shutil.copy(first.folder / "machine.json", copy.folder / "machine.json")
        process = copy.spawn("stratum")
        assert process.wait(90) == 1
        assert "the data folder was copied" in (copy.folder / "stratum.log").read_text()
        # Who serves goes on, over a reload too.
        first.processes["stratum"].send_signal(signal.SIGHUP)
        await_that(lambda: len(first.state()["fronts"]) == 2 or first.state()["machine"], 60)
        assert first.state()["machine"]["numbers"] == numbers
        miner.wait_for_job()

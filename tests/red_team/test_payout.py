"""A node that lies, over its real RPC: whom do the jobs pay that are made of its templates?"""

import queue
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from kench.pool.clock import SystemClock
from kench.pool.custody import read_coinbase
from kench.pool.job import Job, JobKeys
from kench.pool.settings import Settings
from kench.stratum.maker.upstream import Upstream
from tests.support.fake_nodes import HealthyNode
from tests.support.orders import DEMO_RULES, book_of

WAIT_S = 20.0
THIEF = "0014" + "66" * 20
COMMITMENT = "6a24aa21a9ed"
Template = dict[str, Any]


class Lying(HealthyNode):
    """It changes what it tells of the next block."""

    def __init__(self, lie: Callable[[Template], object]) -> None:
        super().__init__()
        self._lie = lie

    def template(self) -> Template:
        told = super().template()
        self._lie(told)
        return told


class Heard:
    """What the job maker hears: jobs, or why there is none."""

    def __init__(self) -> None:
        self.came: queue.Queue[Job | str] = queue.Queue()

    def job_made(self, job: Job, _template: object, for_all: bool) -> None:
        self.came.put(job)

    def no_job(self, why: str) -> None:
        self.came.put(why)

    def proposal_judged(self, reason: str | None) -> None:
        pass


def told_by(lie: Callable[[Template], object]) -> Job | str:
    """The first job of templates with that lie, or why there is none."""
    with Lying(lie) as node:
        settings = Settings(node_urls=(SecretStr(node.url),))
        heard, clock = Heard(), SystemClock()
        book = book_of((1, DEMO_RULES))
        upstream = Upstream(settings, clock, JobKeys(clock), lambda: book, heard)
        upstream.start()
        try:
            return heard.came.get(timeout=WAIT_S)
        finally:
            node.released.set()
            upstream.stop()


def payee() -> bytes:
    (venue,) = book_of((1, DEMO_RULES)).venues_at(101).rule
    return venue.script


LIES: dict[str, Callable[[Template], object]] = {
    "nothing": lambda _: None,
    "a coinbase of its own": lambda told: told.update(
        coinbasetxn={"data": "01000000" + "00" * 60 + THIEF, "required": True}),
    "words for the coinbase": lambda told: told.update(coinbaseaux={"flags": THIEF * 3}),
    "others to be paid": lambda told: told.update(
        masternode=[{"script": THIEF, "amount": 1}], coinbasedevreward={"scriptpubkey": THIEF},
        payee=THIEF, payee_amount=10**8),
    "a commitment that pays": lambda told: told.update(default_witness_commitment=THIEF),
    "a commitment to something else": lambda told: told.update(
        default_witness_commitment=COMMITMENT + "66" * 32),
    "a commitment with more behind it": lambda told: told.update(
        default_witness_commitment=told.get("default_witness_commitment", "") + THIEF),
    "a reward that there is not": lambda told: told.update(coinbasevalue=22 * 10**14),
    "a reward below nothing": lambda told: told.update(coinbasevalue=-1),
    "a reward in parts": lambda told: told.update(coinbasevalue=1.5),
    "a transaction by another name": lambda told: told.update(transactions=[
        {"data": "02000000" + "00" * 60, "txid": "66" * 32, "hash": "66" * 32, "fee": 1,
         "depends": [], "sigops": 0, "weight": 400}]),
    "a height of text": lambda told: told.update(height="101"),
}  # fmt: skip


@pytest.mark.parametrize("what", LIES)
def test_whatever_a_node_says_blocks_pay_the_venue_alone_or_there_is_no_job(what: str) -> None:
    found = told_by(LIES[what])
    if isinstance(found, str):
        assert what != "nothing", found
        return
    archived = found.archived
    facts = read_coinbase(archived.coinb1, archived.coinb2)
    assert facts.payments == ((payee(), archived.reward_sat),)
    commitment = facts.commitment or b""
    assert len(commitment) in {0, 38}
    assert b"\x66" * 20 not in commitment
    assert 0 < archived.reward_sat <= 50 * 10**8

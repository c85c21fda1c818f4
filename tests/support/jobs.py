"""Jobs and templates for tests: the two recorded getblocktemplate answers of Bitcoin Core.

book = Jobs(JobTable(256), ManualClock(now_of(small_template())))
job = book.add(small_template())
"""

import dataclasses
import json
import lzma
from functools import cache
from pathlib import Path
from typing import Any

from kench import native
from kench.pool.clock import ManualClock
from kench.pool.coinbase import Output
from kench.pool.job import Job, JobKeys, JobMaker
from kench.pool.template import Template
from kench.stratum.jobs import JobBook

VECTORS = Path(__file__).parent.parent / "vectors"
PAY_SCRIPT = b"\x00\x14" + bytes(range(20))
TAG = b"/kench/"
HARD_TARGET = (1 << 160) - 1
"""A block target that no hash of a test meets."""


@cache
def small_answer() -> dict[str, Any]:
    """Core's template for testnet4's first block: no transactions, difficulty 1."""
    answer: dict[str, Any] = json.loads(
        (VECTORS / "getblocktemplate-testnet4-empty.json").read_bytes()
    )
    return answer


@cache
def large_answer() -> dict[str, Any]:
    """Core's template on regtest with 3101 transactions."""
    packed = (VECTORS / "getblocktemplate-regtest-3101tx.json.xz").read_bytes()
    answer: dict[str, Any] = json.loads(lzma.decompress(packed))
    return answer


@cache
def large_template() -> Template:
    return Template.parse(large_answer())


def small_template(
    *, block_target: int = HARD_TARGET, prevhash_le: bytes | None = None, **more: Any
) -> Template:
    """The empty template, with a block target that is out of reach unless another is said."""
    changes = {"block_target": block_target, **more}
    if prevhash_le is not None:
        changes["prevhash_le"] = prevhash_le
    return dataclasses.replace(Template.parse(small_answer()), **changes)


def now_of(template: Template) -> int:
    """The template's time in microseconds."""
    return template.curtime * 1_000_000


class Jobs:
    """A job book with a maker beside it."""

    def __init__(self, table: native.JobTable, clock: ManualClock, after: int = 0) -> None:
        self.book = JobBook(table)
        self.maker = JobMaker(JobKeys(clock, after), _pay_all_to_one, TAG)
        self._clock = clock

    def add(self, template: Template, *, grace_ms: int = 0) -> tuple[Job, bool]:
        """Make a job and put it into the book; also says whether it begins a new tip."""
        job = self.maker.make(template)
        return job, self.book.add(job, self._clock.now_us() + grace_ms * 1000)


def _pay_all_to_one(template: Template) -> tuple[Output]:
    return (Output(PAY_SCRIPT, template.coinbase_value_sat),)


def small_jobs_maker() -> JobMaker:
    """A maker beside no book."""
    return JobMaker(JobKeys(ManualClock()), _pay_all_to_one, TAG)

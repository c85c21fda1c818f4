"""The job book and the factory: current, recent, in the order of their keys."""

import threading

import pytest

from kench.native import JobTable
from kench.pool.clock import ManualClock
from kench.pool.coinbase import CoinbaseError, Output
from kench.pool.custody import CustodyError
from kench.pool.job import Job, JobKeys, JobMaker
from kench.pool.template import Template
from kench.stratum.jobs import JOBS_MAX, JobFactory
from tests.support.jobs import PAY_SCRIPT, Jobs, small_template


def test_the_book_and_native_code_forget_the_same_jobs() -> None:
    table = JobTable(JOBS_MAX)
    jobs = Jobs(table, ManualClock())
    made = [jobs.add(small_template())[0] for _ in range(JOBS_MAX + 10)]
    assert len(table) == JOBS_MAX
    assert [jobs.book.get(one.key) is not None for one in made] == [False] * 10 + [True] * JOBS_MAX
    assert jobs.book.current is made[-1]


@pytest.mark.rule("A7.3")
def test_a_tip_is_new_when_the_hash_before_it_changes_even_back() -> None:
    jobs = Jobs(JobTable(16), ManualClock())
    one, other = small_template(), small_template(prevhash_le=b"\x01" * 32)
    assert [jobs.add(each)[1] for each in (one, one, other, other, one)] == [
        True,
        False,
        True,
        False,
        True,
    ]


def pay(template: Template) -> tuple[Output]:
    return (Output(PAY_SCRIPT, template.coinbase_value_sat),)


def test_jobs_made_by_many_threads_come_in_the_order_of_their_keys() -> None:
    delivered: list[Job] = []
    factory = JobFactory(
        JobMaker(JobKeys(ManualClock()), pay, b""),
        lambda _job, _template: None,
        lambda job, _template, _for_all: delivered.append(job),
    )
    factory.again()
    assert delivered == [], "there is no template yet"
    factory.from_template(small_template())
    threads = [threading.Thread(target=factory.again) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = [job.key for job in delivered]
    assert len(keys) == 21
    assert keys == sorted(set(keys))
    assert len({job.notify(clean=True) for job in delivered}) == 21


def test_a_template_that_no_coinbase_fits_delivers_nothing() -> None:
    def too_many(template: Template) -> list[Output]:
        share, rest = divmod(template.coinbase_value_sat, 100)
        return [Output(PAY_SCRIPT, share)] * 99 + [Output(PAY_SCRIPT, share + rest)]

    delivered: list[Job] = []
    factory = JobFactory(
        JobMaker(JobKeys(ManualClock()), too_many, b""),
        lambda _job, _template: None,
        lambda job, _template, _for_all: delivered.append(job),
    )
    with pytest.raises(CoinbaseError, match="750"):
        factory.from_template(small_template())
    with pytest.raises(CoinbaseError, match="750"):
        factory.again()
    assert delivered == []


def test_no_job_is_delivered_that_does_not_pass_not_the_first_nor_one_made_again() -> None:
    delivered: list[tuple[Job, bool]] = []
    faults: list[str] = ["it pays somebody else"]

    def check(_job: Job, _template: Template) -> None:
        if faults:
            raise CustodyError(faults[0])

    factory = JobFactory(
        JobMaker(JobKeys(ManualClock()), pay, b""),
        check,
        lambda job, _template, for_all: delivered.append((job, for_all)),
    )
    for make in (lambda: factory.from_template(small_template()), factory.again):
        with pytest.raises(CustodyError, match="somebody else"):
            make()
    assert delivered == []
    fault = faults.pop()
    factory.again()
    factory.again()
    assert [for_all for _, for_all in delivered] == [True, False], "the first is new to all"
    assert len({job.facts.body_key for job, _ in delivered}) == 1
    faults.append(fault)
    for make in (lambda: factory.again(for_all=True), factory.again):
        with pytest.raises(CustodyError):
            make()
    assert len(delivered) == 2

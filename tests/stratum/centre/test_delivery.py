"""Keys of the jobs that fronts get rise, whoever made the jobs."""

from hypothesis import given
from hypothesis import strategies as st

from kench.native import JobTable
from kench.pool.clock import ManualClock
from kench.pool.job import Job, JobKeys
from kench.stratum.centre.delivery import Delivery
from tests.support.jobs import Jobs, small_template


@given(
    st.lists(st.tuples(st.sampled_from(["ours", "theirs", "again"]), st.floats(-5, 5)), max_size=30)
)
def test_every_job_goes_out_with_a_key_above_the_last(turns: list[tuple[str, float]]) -> None:
    clock, theirs = ManualClock(), ManualClock()
    keys = JobKeys(clock, lane=3)
    delivery = Delivery(keys)
    makers = {"ours": Jobs(JobTable(64), clock).maker, "theirs": Jobs(JobTable(64), theirs).maker}
    given: list[Job] = []
    for what, step_s in turns:
        clock.step(step_s)
        theirs.step(-step_s)
        if what == "again":
            assert delivery.again(given.append) == bool(given)
        else:
            delivery.give(makers[what].make(small_template()), given.append)
    numbers = [job.key for job in given]
    assert numbers == sorted(set(numbers))
    table = JobTable(64)
    for job in given:
        table.add(job.prepared)

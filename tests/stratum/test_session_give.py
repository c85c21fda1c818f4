"""What a session is sent with a job: the short way says what the long way would say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.work import target_of
from kench.stratum.session import Session
from tests.support.jobs import small_template
from tests.support.sessions import EASY, Pool, easy_limits

MASKS = (0x1FFFE000, 0x1FFF0000, 0)
DIFFICULTIES = (EASY, 8.0, 64.0, 1e6)

EVENTS = st.one_of(
    st.tuples(st.just("wish"), st.sampled_from(DIFFICULTIES)),
    st.tuples(st.just("floor"), st.sampled_from(DIFFICULTIES)),
    st.tuples(st.just("mask"), st.sampled_from((0xFFFFFFFF, 0x00FFF000, 0))),
    st.tuples(
        st.just("job"),
        st.tuples(
            st.sampled_from(MASKS),
            st.sampled_from((4.0, 32.0, 1e9)),  # the network's difficulty
            st.sampled_from((1, 2, 3)),  # the tip
            st.booleans(),  # clean
        ),
    ),
)


def _tell(session: Session, what: str, value: object) -> None:
    if what == "wish":
        session.difficulty.wish(value)  # type: ignore[arg-type]
    elif what == "floor":
        session.difficulty.ask_floor(value)  # type: ignore[arg-type]
    elif what == "mask":
        session.ask_mask(value)  # type: ignore[arg-type]


@pytest.mark.rule("A6.1", "A6.4", "A7.7", "A8.14")
@given(events=st.lists(EVENTS, max_size=20))
def test_a_session_where_nothing_changed_is_sent_what_the_whole_look_would_say(
    events: list[tuple[str, object]],
) -> None:
    pool = Pool(easy_limits())
    short, long = pool.session(), pool.session()
    for what, value in events:
        for session in (short, long):
            _tell(session, what, value)
        if what != "job":
            continue
        mask, network, tip, clean = value  # type: ignore[misc]
        template = small_template(
            block_target=target_of(network), prevhash_le=bytes([tip]) * 32, rolling_mask=mask
        )
        job, _ = pool.new_job(template)
        long.difficulty.settled_at = 0.0  # nothing is known to be as it was
        assert short.give(job, 1.0, clean=clean) == long.give(job, 1.0, clean=clean)
        assert short.version_mask == long.version_mask
        assert short.difficulty.in_force == long.difficulty.in_force


def test_a_session_where_nothing_changed_is_sent_the_line_that_all_share() -> None:
    pool = Pool()
    session = pool.miner().login().session
    job, _ = pool.new_job()
    assert session.give(job, 1.0, clean=False) is job.notify_more
    job, _ = pool.new_job(small_template(prevhash_le=b"\x05" * 32))
    assert session.give(job, 1.0, clean=False) is job.notify_clean

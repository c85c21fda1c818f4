"""The front's own small parts; the whole of it is tested on sockets (test_connection)."""

import itertools

from kench.stratum.front import SESSION_ID_BYTES, SESSION_IDS_AT_ONCE, session_ids


def test_all_random_bytes_become_ids_of_sessions_once() -> None:
    numbers = itertools.count()

    def random_bytes(count: int) -> bytes:
        assert count % SESSION_ID_BYTES == 0
        return b"".join(
            next(numbers).to_bytes(SESSION_ID_BYTES, "big")
            for _ in range(count // SESSION_ID_BYTES)
        )

    several = 2 * SESSION_IDS_AT_ONCE + 1
    ids = itertools.islice(session_ids(random_bytes), several)
    assert [int(one, 16) for one in ids] == list(range(several))
    assert next(numbers) == 3 * SESSION_IDS_AT_ONCE


def test_an_id_has_the_form_that_a_resumed_session_names() -> None:
    for one in itertools.islice(session_ids(), 1000):
        assert len(bytes.fromhex(one)) == SESSION_ID_BYTES
        assert one == one.lower()

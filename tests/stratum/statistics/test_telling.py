"""What a front tells of its sessions: changes alone, ends, all anew to who has not heard."""

from pathlib import Path

from kench.stratum.statistics.sessions import SessionFacts, decode
from tests.support.stratum_client import Desk, run, serving


def told(desk: Desk) -> list[SessionFacts]:
    """Sweep, and return what the front would tell."""
    front = desk.front
    for connection in tuple(front.connections):
        if connection.session.difficulty.in_force:
            front.teller.look_at(connection, front.loop.time())
    return list(decode(front.teller.take()))


def test_a_session_is_told_once_until_something_changes_and_when_it_ends(tmp_path: Path) -> None:
    async def scene() -> None:
        async with serving(tmp_path) as desk:
            peer = await desk.connect()
            await peer.login()
            (first,) = told(desk)
            assert first.owners == ((1, 11),)
            assert first.difficulty > 0
            assert told(desk) == []
            (connection,) = desk.front.connections
            connection.session.gate.allow(b"1.w2", 1, 12)
            (second,) = told(desk)
            assert second.owners == ((1, 11), (1, 12))
            assert (second.session, second.since_us) == (first.session, first.since_us)
            desk.front.teller.begin_anew(desk.front.connections)
            assert told(desk) == [second]
            desk.front.farewell(connection)
            desk.front.connections[connection] = None
            (ended,) = decode(desk.front.teller.take())
            assert (ended.session, ended.owners) == (first.session, ())

    run(scene())

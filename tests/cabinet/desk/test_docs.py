"""The tables of docs/desk.md are those of the code."""

from pathlib import Path

from kench.cabinet.desk.queues import QUEUES
from kench.cabinet.web.rights import DESK
from kench.pool.orders.officer_roles import OfficerRole

DOCUMENT = (Path(__file__).parents[3] / "docs/desk.md").read_text()


def rooms_table() -> str:
    """Each room, and which role enters it."""
    head = f"| `/desk/…` | {' | '.join(OfficerRole)} |\n|---|{'---|' * len(OfficerRole)}\n"
    return head + "".join(
        f"| `{word}` | {' | '.join('yes' if one in roles else '' for one in OfficerRole)} |\n"
        for word, roles in sorted(DESK.items())
    )


def queues_table() -> str:
    """Each queue, and whose it is."""
    return "| queue | whose | leads to |\n|---|---|---|\n" + "".join(
        f"| {queue.title} | {', '.join(one for one in OfficerRole if one in queue.roles)} "
        f"| `{queue.address}` |\n"
        for queue in QUEUES
    )


def test_the_rooms_of_the_document_are_those_of_the_code() -> None:
    assert rooms_table() in DOCUMENT, f"put this into docs/desk.md:\n{rooms_table()}"


def test_the_queues_of_the_document_are_those_of_the_code() -> None:
    assert queues_table() in DOCUMENT, f"put this into docs/desk.md:\n{queues_table()}"

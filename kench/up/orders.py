"""Orders before anything starts: seen to be there, or on the embedded node made for the demo.

The demo's goes the way of every order: two officers sign its bytes, and both signatures are
checked. Only the officers are nobody's, and the coins worth nothing.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from kench.pool.address import burn_address
from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.moments import BISHKEK, moment_text
from kench.pool.orders.document import canonical
from kench.pool.orders.officer_roles import OfficerRole, grant_role
from kench.pool.orders.officers import add_officer, in_service
from kench.pool.orders.register import list_orders, load_orders, propose, sign
from kench.pool.orders.verifying import verifier_of
from kench.pool.rpc import Node, NodeUnreachableError, NodeWarmingUpError
from kench.pool.settings import Settings
from kench.pool.signature.verifier import Verifier
from kench.up.pki import DemoPki, demo_pki
from kench.up.preflight import NODE_ANSWER_S

REGTEST = "regtest"
TITLE = "Demo order of nobody, for coins worth nothing"
_SECOND_US = 1_000_000
_LICENSED = timedelta(days=730)
_RULES: dict[str, Any] = {
    "reward": {"method": "round"},
    "fee": {"pool_ppm": 20_000},
    "venues": [{"venue": "paper", "address": burn_address(REGTEST), "weight": 1}],
    "screening": {"provider": "local", "refuse_over_bp": 7500, "officer_over_bp": 5000},
    # A block's coins are one slice, one each second: the demo mines no faster for long.
    "sale": {
        "slice_sat": 10_000_000_000, "interval_s": 1, "deviation_bp": 500, "quote_age_s": 30,
        "depth_bp": 9000, "daily_cap_sat": 100_000_000_000_000, "minimum_sat": 10_000,
        "deposit_overdue_s": 86_400,
    },
    "payout": {"threshold_tyiyn": 100_000},
}  # fmt: skip


_ROLES = (
    (OfficerRole.REGISTRAR, OfficerRole.INSPECTOR, OfficerRole.FINANCE),
    (OfficerRole.SECURITY, OfficerRole.HEAD),
)
"""What the demo's two officers may do at the desk; together they have four eyes and all roles."""


class OrdersMissingError(KenchError):
    """Nobody has said whom blocks pay."""


class OrderNetworkError(KenchError):
    """The orders are for another network than the node is on."""


def ready_orders(
    engine: sa.Engine, settings: Settings, node_url: str, clock: Clock, *, embedded: bool
) -> bool:
    """See that orders say whom the next block pays; on the embedded node, have one say it.

    True where one was made. Raises OrdersMissingError, NoOrderError, OrderNetworkError, and what
    `load_orders` does.
    """
    tip_height, network = _chain(node_url)
    with engine.begin() as connection:
        made = not has_orders(connection)
        if made and (settings.signature_roots or not embedded):
            raise OrdersMissingError(
                "no order of the authorised body was accepted, so nobody has said which venues "
                "blocks pay: enter officers and an order (`kench officer --help`, "
                "`kench order --help`, docs/orders.md), then start again"
            )
        if made:
            pki = demo_pki(settings.demo_pki_directory, clock)
            verifier = verifier_of(settings)
            accept_demo_order(connection, pki, verifier, tip_height=tip_height or 0, clock=clock)
        book = load_orders(connection, verifier_of(settings))
    if network not in {None, book.network}:
        raise OrderNetworkError(
            f"the orders are for network {book.network}, the node is on {network}: use another "
            "database (--data or KENCH_DATABASE_URL), or another node"
        )
    if tip_height is not None:
        book.venues_at(tip_height + 1)
    return made


def _chain(node_url: str) -> tuple[int | None, str | None]:
    """Ask a node how high its chain is, and of which network; nothing while it does not say."""
    try:
        info = Node(node_url).call("getblockchaininfo", timeout_s=NODE_ANSWER_S)
    except (NodeWarmingUpError, NodeUnreachableError):
        return None, None
    return int(info["blocks"]), str(info["chain"])


def has_orders(connection: sa.Connection) -> bool:
    """Whether any order was accepted in this database."""
    return any(entry.accepted_at is not None for entry in list_orders(connection))


def accept_demo_order(  # noqa: PLR0913 - who signs, what, and when
    connection: sa.Connection,
    pki: DemoPki,
    verifier: Verifier,
    *,
    tip_height: int,
    clock: Clock,
    rules: dict[str, Any] | None = None,
    height: int | None = None,
) -> None:
    """Have the demo's officers sign an order for the block after the tip, and accept it.

    `rules` are others than the demo's, and `height` another, for tests.
    """
    now_us = clock.now_us()
    for officer, roles in zip(pki.officers, _ROLES, strict=True):
        if in_service(connection, officer.pin) is None:
            add_officer(connection, officer.pin, officer.name, "demo", now_us)
            for role in roles:
                grant_role(connection, officer.pin, role, now_us)
    number = 1 + sum(entry.accepted_at is not None for entry in list_orders(connection))
    content = demo_order(number, height or tip_height + 1, now_us, rules)
    propose(connection, verifier, content, tip_height=tip_height, now_us=now_us)
    for officer in pki.officers:
        signature = officer.sign(content)
        sign(connection, verifier, number, signature, tip_height=tip_height, now_us=now_us)


def demo_order(number: int, height: int, now_us: int, rules: dict[str, Any] | None = None) -> bytes:
    """Return the bytes of an order in force from `height` and from the next second on."""
    today = datetime.fromtimestamp(now_us // _SECOND_US, UTC).astimezone(BISHKEK).date()
    licence = {
        "venue": "paper", "name": "Paper Venue", "number": "DEMO-1",
        "from": today.isoformat(), "until": (today + _LICENSED).isoformat(),
    }  # fmt: skip
    held = {**_RULES, "licences": [licence]} if rules is None else rules
    effective: dict[str, Any] = {}
    if held.keys() & {"reward", "fee", "venues"}:
        effective["height"] = height
    if held.keys() - {"reward", "fee", "venues"}:
        effective["moment"] = moment_text((now_us // _SECOND_US + 1) * _SECOND_US)
    return canonical(
        {
            "kench_order": 1,
            "number": number,
            "title": TITLE,
            "issued": today.isoformat(),
            "network": REGTEST,
            "effective": effective,
            "rules": held,
        }
    )

"""How high the chain is, as the desk knows it: orders name heights that must lie ahead."""

from collections.abc import Callable

import sqlalchemy as sa
import structlog

from kench.cabinet.numbers.kept import Kept
from kench.pool.clock import Clock
from kench.pool.errors import KenchError
from kench.pool.nodes.chain import CALL_TIMEOUT_S, ChainView
from kench.pool.rpc import Node
from kench.pool.running import node_urls_of
from kench.pool.settings import Settings
from kench.pool.work import work_of

KEPT_S = 10.0
DIFFICULTY_MAX = 1e30
"""No network will ever have it."""

log = structlog.get_logger("cabinet")


class Chain:
    """Asks the nodes that the settings name; for threads that may wait."""

    def __init__(self, settings: Settings, network: Callable[[], str | None], clock: Clock) -> None:
        self._settings = settings
        self._network = network
        self._clock = clock
        self._view: ChainView | None = None
        self._kept = Kept(self.tip_now, clock, KEPT_S)

    def tip(self) -> int | None:
        """The height of some seconds ago, for pages; None where no node tells it."""
        return self._kept.value()

    def network_work_hashes(self) -> int | None:
        """Hashes that a block takes on average now, nearly; None where no node tells it."""
        for url in node_urls_of(self._settings):
            try:
                info = Node(url).call("getblockchaininfo", timeout_s=CALL_TIMEOUT_S)
            except KenchError as error:
                log.warning("difficulty of the network unknown", why=str(error))
                continue
            difficulty = info.get("difficulty") if isinstance(info, dict) else None
            if isinstance(difficulty, int | float) and 0 < difficulty < DIFFICULTY_MAX:
                return work_of(float(difficulty))
        return None

    def tip_now(self) -> int | None:
        """The height now; None where no node tells it."""
        if self._view is None:
            nodes = [Node(url) for url in node_urls_of(self._settings)]
            if not nodes:
                return None
            self._view = ChainView(nodes, self._clock, self._network())
        try:
            return self._view.tip().height
        except KenchError as error:
            log.warning("height of the chain unknown", why=str(error))
            return None


def newest_known_height(db: sa.Connection) -> int:
    """The height of the pool's newest block: the chain is as high at least; 0 without any."""
    return db.scalar(sa.text("SELECT max(height) FROM blocks")) or 0

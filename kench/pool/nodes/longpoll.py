"""Long polling: a call that a node answers when there is a better template (BIP22, B4)."""

from kench.pool.nodes.watch import NodeWatch
from kench.pool.rpc import NodeFaultError, NodeTimeoutError

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0
# A node that answers at once although nothing is new must not be asked in a loop.
SAME_TIP_PAUSE_S = 1.0


def run_longpoll(watch: NodeWatch) -> None:
    """Long-poll a watched node until stopped; the body of its long-poll thread."""
    backoff_s = BACKOFF_FIRST_S
    while not watch.stopping.is_set():
        if not watch.longpoll_id or not watch.view.usable:
            watch.longpoll_wake.wait(BACKOFF_MAX_S)
            watch.longpoll_wake.clear()
            continue
        tip_before = watch.view.tip
        try:
            tip_hash = watch.long_poll()
        except NodeTimeoutError:
            # Nothing new for long, or the node hangs: polling knows which.
            watch.poke()
        except NodeFaultError:
            watch.poke()
            watch.stopping.wait(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)
        else:
            backoff_s = BACKOFF_FIRST_S
            if tip_before is None or tip_hash in (None, tip_before.hash):
                watch.stopping.wait(SAME_TIP_PAUSE_S)

"""State of regtest's only version-bits deployment, testdummy, which templates must show (BIP9)."""

from enum import Enum

from kench.node.kernel import Entry, Kernel

NAME = "testdummy"
BIT = 28
PERIOD = 144
THRESHOLD = 108
TOP_BITS = 0x2000_0000
_TOP_MASK = 0xE000_0000
_CACHE_MAX = 4096


class State(Enum):
    """States of BIP9 that testdummy passes on regtest: it starts at once and never times out."""

    DEFINED = "defined"
    STARTED = "started"
    LOCKED_IN = "locked_in"
    ACTIVE = "active"


class TestDummy:
    """Remembers the state by the block that ends each period."""

    __test__ = False  # not a test, whatever its name says to pytest

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._states: dict[str, State] = {}

    def state_after(self, tip: Entry) -> State:
        """State that the block after `tip` is under."""
        last_height = tip.height - (tip.height + 1) % PERIOD
        return self._state_after_period(tip, last_height)

    def _state_after_period(self, tip: Entry, last_height: int) -> State:
        """State after the period that ends at `last_height` on the branch of `tip`."""
        pending: list[Entry] = []
        state = State.DEFINED
        for height in range(last_height, 0, -PERIOD):
            last = self._kernel.ancestor(tip.hash, height)
            known = self._states.get(last.hash)
            if known is not None:
                state = known
                break
            pending.append(last)
        for last in reversed(pending):
            state = self._next(state, last)
            if len(self._states) >= _CACHE_MAX:
                self._states.clear()
            self._states[last.hash] = state
        return state

    def _next(self, state: State, last: Entry) -> State:
        if state is State.DEFINED:
            return State.STARTED
        if state is State.STARTED:
            mask = _TOP_MASK | 1 << BIT
            signals = self._kernel.count_signals(last.hash, PERIOD, mask, TOP_BITS | 1 << BIT)
            return State.LOCKED_IN if signals >= THRESHOLD else State.STARTED
        return State.ACTIVE

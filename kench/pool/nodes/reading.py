"""Reading templates of one node one at a time: ZMQ and long-poll bring the same one together.

Two threads that read three thousand transactions at once both take twice as long, just when
miners wait for the new tip. So the second waits for the first, and what it holds is then mostly
known by its first bytes not to be worth reading.
"""

import re
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from kench.pool.template_json import decode_template_answer

# Core names the previous block before the transactions.
HEAD_BYTES = 4096
_PREVIOUS = re.compile(rb'"previousblockhash"\s*:\s*"([0-9a-f]{64})"')


class TemplateReading:
    """The turn of one answer, from its first byte decoded until its template is taken.

    `decode` takes the turn; leaving the context gives it back. `repeated` is the tip of an answer
    that was left unread, since `is_repeated(tip)` said so.
    """

    def __init__(self, turn: threading.Lock, is_repeated: Callable[[str], bool]) -> None:
        self._turn = turn
        self._is_repeated = is_repeated
        self._held = False
        self.repeated: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._held:
            self._held = False
            self._turn.release()

    def decode(self, body: bytes | bytearray) -> Any:
        """Decode an answer in its turn, or leave it unread. Raises ValueError, RecursionError."""
        if not self._held:
            self._turn.acquire()
            self._held = True
        found = _PREVIOUS.search(body[:HEAD_BYTES])
        if found is not None and self._is_repeated(tip := found[1].decode()):
            self.repeated = tip
            return {"result": None, "error": None}
        return decode_template_answer(body)

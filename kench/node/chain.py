"""The node's chain: the kernel, those who wait for a new tip, and submitblock's answers."""

import threading
from collections.abc import Callable
from pathlib import Path

from kench.node.blocks import with_coinbase_witness
from kench.node.kernel import BlockUndecodableError, Entry, Kernel


class Chain:
    """One chain of blocks on disk; safe to call from several threads."""

    def __init__(
        self, folder: Path, on_tip: Callable[[Entry], None], on_fatal: Callable[[str], None]
    ) -> None:
        """Open the chain in `folder`.

        `on_tip` is called for each new tip, in order, by the thread that brought it; `on_fatal`
        when the chain can no longer be written. Raises ChainFolderError.
        """
        self.kernel = Kernel(folder, on_fatal)
        self._on_tip = on_tip
        self._submitting = threading.Lock()
        self._changed = threading.Condition()
        self._tip = self.kernel.tip()
        self._closing = False

    @property
    def tip(self) -> Entry:
        """Last block of the best chain."""
        return self._tip

    @property
    def closing(self) -> bool:
        """Whether the node is stopping."""
        return self._closing

    def submit(self, raw: bytes) -> str | None:
        """Judge a block; None if it became part of the best chain, else Core's word for it (B14).

        Raises BlockUndecodableError.
        """
        with self._submitting:
            verdict = self.kernel.process(self._completed(raw))
            self._announce()
        if verdict.accepted and not verdict.new:
            return "duplicate"
        return verdict.reason if verdict.checked else "inconclusive"

    def _completed(self, raw: bytes) -> bytes:
        """Do to a block what Core's submitblock does before it judges it."""
        block = self.kernel.canonical(raw)
        if self.kernel.find(block[4:36][::-1].hex()) is None:
            return block
        try:
            return with_coinbase_witness(block)
        except ValueError as error:
            raise BlockUndecodableError from error

    def _announce(self) -> None:
        tip = self.kernel.tip()
        if tip.hash == self._tip.hash:
            return
        with self._changed:
            self._tip = tip
            self._changed.notify_all()
        self._on_tip(tip)

    def wait_for_tip_other_than(self, tip_hash: str, timeout_s: float) -> Entry:
        """Return the tip once it is another than `tip_hash`, after `timeout_s`, or at closing."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing or self._tip.hash != tip_hash, timeout_s)
            return self._tip

    def release_waiters(self) -> None:
        """Let every waiting call return: the node stops."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def close(self) -> None:
        """Write the chain to disk, after the block that is being judged."""
        self.release_waiters()
        with self._submitting:
            self.kernel.close()

"""The node's chain: the kernel, those who wait for a new tip, and submitblock's answers."""

import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from kench.node.blocks import with_coinbase_witness
from kench.node.generations import Generations, Invalidated
from kench.node.kernel import BlockUndecodableError, Entry, Kernel
from kench.node.stored import block_hash, recover, stored_blocks

MEDIAN_TIME_SPAN = 11
"""Blocks whose median is the time that a new block must exceed (BIP113)."""
REFUSED_MAX = 10_000
"""Refused blocks remembered, so that a proposal of one can be told so."""


class Chain:
    """One chain of blocks on disk; safe to call from several threads."""

    def __init__(
        self, folder: Path, on_tip: Callable[[Entry], None], on_fatal: Callable[[str], None]
    ) -> None:
        """Open the chain in `folder`, with the blocks that a kill cut off from its index.

        `on_tip` is called for each new tip, in order, by the thread that brought it; `on_fatal`
        when the chain can no longer be written. Raises ChainFolderError.
        """
        self._generations = Generations(folder)
        self.kernel = Kernel(self._generations.current, on_fatal)
        self.recovered = recover(self.kernel)
        self._invalidated = self._generations.invalidated()
        self._refused: set[str] = set()
        self._on_tip = on_tip
        self._submitting = threading.Lock()
        self._changed = threading.Condition()
        self._tip = self.kernel.tip()
        self._closing = False

    # ---- asking ----

    @property
    def tip(self) -> Entry:
        """Last block of the best chain."""
        return self._tip

    @property
    def closing(self) -> bool:
        """Whether the node is stopping."""
        return self._closing

    def find(self, wanted: str) -> Entry | None:
        """Block of that hash on any branch, also one that was refused or called invalid."""
        gone = self._invalidated.get(wanted)
        return self.kernel.find(wanted) if gone is None else gone.entry

    def block(self, wanted: str) -> bytes | None:
        """Serialized block; None where it is unknown or its body was never stored."""
        gone = self._invalidated.get(wanted)
        return self.kernel.block(wanted) if gone is None else gone.raw

    def is_on_best_chain(self, entry: Entry) -> bool:
        """Tell whether a block is on the best chain."""
        there = self.kernel.at(entry.height)
        return there is not None and there.hash == entry.hash

    def was_refused(self, wanted: str) -> bool:
        """Tell whether a block was refused since the start, or called invalid."""
        return wanted in self._refused or wanted in self._invalidated

    def median_time(self, entry: Entry) -> int:
        """Median time past of a block, Unix seconds (BIP113)."""
        times = [entry.time_s]
        while len(times) < MEDIAN_TIME_SPAN and entry.height:
            parent = self.find(entry.previous)
            if parent is None:
                break
            entry = parent
            times.append(entry.time_s)
        return sorted(times)[len(times) // 2]

    # ---- judging ----

    def submit(self, raw: bytes) -> str | None:
        """Judge a block; None if it became part of the best chain, else Core's word for it (B14).

        Raises BlockUndecodableError, KernelFaultError.
        """
        with self._submitting:
            block = self._completed(raw)
            if block_hash(block) in self._invalidated:
                return "duplicate-invalid"
            verdict = self.kernel.process(block)
            self._announce()
        if verdict.accepted and not verdict.new:
            return "duplicate"
        if not verdict.checked:
            return "inconclusive"
        if verdict.reason == "prev-blk-not-found" and _parent(block) in self._invalidated:
            return "bad-prevblk"
        if verdict.reason is not None and len(self._refused) < REFUSED_MAX:
            self._refused.add(block_hash(block))
        return verdict.reason

    def _completed(self, raw: bytes) -> bytes:
        """Do to a block what Core's submitblock does before it judges it."""
        block = self.kernel.canonical(raw)
        if self.find(_parent(block)) is None:
            return block
        try:
            return with_coinbase_witness(block)
        except ValueError as error:
            raise BlockUndecodableError from error

    # ---- what the kernel cannot do: see kench.node.generations ----

    def invalidate(self, entry: Entry) -> None:
        """Call a block invalid, and with it all that build on it.

        This and the next two raise StoppingError.
        """
        with self._submitting:
            if entry.hash in self._invalidated:
                return
            kept: list[bytes] = []
            gone = dict(self._invalidated)
            for raw in stored_blocks(self.kernel.blocks_folder):
                one = self.kernel.find(block_hash(raw))
                if one is not None and (one.hash == entry.hash or one.previous in gone):
                    gone[one.hash] = Invalidated(one, raw)
                else:
                    kept.append(raw)
            self._rebuild(kept, gone)

    def reconsider(self, entry: Entry) -> None:
        """Take back that a block is invalid, for all blocks under and above it."""
        with self._submitting:
            back = {
                one: gone
                for one, gone in self._invalidated.items()
                if self._is_related(gone.entry, entry)
            }
            if not back:
                return
            gone = {one: kept for one, kept in self._invalidated.items() if one not in back}
            returned = sorted(back.values(), key=lambda one: one.entry.height)
            blocks = [*stored_blocks(self.kernel.blocks_folder), *(one.raw for one in returned)]
            self._rebuild(blocks, gone)

    def prefer(self, entry: Entry) -> None:
        """Put the branch of `entry` first among branches of equal work."""
        with self._submitting:
            if entry.height != self._tip.height or self.is_on_best_chain(entry):
                return
            branch = {entry.hash}
            while not self.is_on_best_chain(entry):
                branch.add(entry.hash)
                entry = self.kernel.ancestor(entry.hash, entry.height - 1)
            blocks = list(stored_blocks(self.kernel.blocks_folder))
            # The rest comes in the old order, after all that the branch stands on.
            first = [raw for raw in blocks if block_hash(raw) in branch]
            common = self._up_to(entry)
            rest = [raw for raw in blocks if block_hash(raw) not in branch | common]
            shared = [raw for raw in blocks if block_hash(raw) in common]
            self._rebuild([*shared, *first, *rest], self._invalidated)

    def _up_to(self, entry: Entry) -> set[str]:
        heights = range(entry.height + 1)
        return {one.hash for one in map(self.kernel.at, heights) if one is not None}

    def _is_related(self, one: Entry, other: Entry) -> bool:
        """Tell whether one of two known blocks builds on the other, or is it."""
        low, high = sorted((one, other), key=lambda entry: entry.height)
        while high.height > low.height:
            parent = self.find(high.previous)
            if parent is None:
                return False
            high = parent
        return high.hash == low.hash

    def _rebuild(self, blocks: Iterable[bytes], gone: dict[str, Invalidated]) -> None:
        before = self._generations.build(blocks, gone.values(), lambda: self._closing)
        with self.kernel.steady():
            self.kernel.reopen(self._generations.current)
            self._invalidated = gone
            self._announce()
        shutil.rmtree(before)

    # ---- telling ----

    def _announce(self) -> None:
        tip = self.kernel.tip()
        before = self._tip
        if tip.hash == before.hash:
            return
        with self._changed:
            self._tip = tip
            self._changed.notify_all()
        # As on Core, a tip that only went back is not published (B6).
        if tip.height >= before.height or not self._is_related(tip, before):
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


def _parent(block: bytes) -> str:
    return block[4:36][::-1].hex()

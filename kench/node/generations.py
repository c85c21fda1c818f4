"""Folders of a chain that is built anew: `<number>` is whole, the highest counts.

The kernel's C API can neither call a block invalid nor prefer one of two equal branches. Both are
had by building the chain again from its blocks: without those called invalid, or in another order.
On regtest the kernel checks its whole index at each block, so this takes a fifth of a second for
700 blocks but many seconds for 10,000.
"""

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from kench.node.blocks import HEADER_BYTES
from kench.node.kernel import Entry, Kernel, StoppingError
from kench.node.stored import block_hash

_DIGITS = 6
_INVALIDATED = "invalidated.jsonl"


@dataclass(frozen=True, slots=True)
class Invalidated:
    """A block called invalid, or one that builds on such: known, and on no chain."""

    entry: Entry
    raw: bytes


class Generations:
    """The generations of one chain."""

    def __init__(self, folder: Path) -> None:
        """Take the latest whole generation in `folder` and remove what is left of others."""
        self._folder = folder
        numbers = [int(one.name) for one in folder.glob("[0-9]" * _DIGITS)]
        self._number = max(numbers, default=1)
        for one in folder.glob("*"):
            if one != self.current:
                shutil.rmtree(one)

    @property
    def current(self) -> Path:
        """Folder of the generation in use."""
        return self._folder / f"{self._number:0{_DIGITS}d}"

    def invalidated(self) -> dict[str, Invalidated]:
        """Blocks called invalid, by hash."""
        file = self.current / _INVALIDATED
        if not file.exists():
            return {}
        found = {}
        for line in file.read_text().splitlines():
            record = json.loads(line)
            raw = bytes.fromhex(record["block"])
            entry = Entry(block_hash(raw), record["height"], raw[:HEADER_BYTES])
            found[entry.hash] = Invalidated(entry, raw)
        return found

    def build(
        self,
        blocks: Iterable[bytes],
        invalidated: Iterable[Invalidated],
        stopping: Callable[[], bool],
    ) -> Path:
        """Build the next generation of `blocks` in their order; it counts once it is whole.

        Returns the folder of the generation before, to be removed when nothing uses it any more.
        Raises StoppingError as soon as `stopping`; what was built is removed at the next start.
        """
        before = self.current
        whole = self._folder / f"{self._number + 1:0{_DIGITS}d}"
        partial = whole.with_suffix(".partial")
        kernel = Kernel(partial, lambda _message: None)
        try:
            for raw in blocks:
                if stopping():
                    raise StoppingError
                kernel.process(raw)
        finally:
            kernel.close()
        lines = [
            json.dumps({"height": one.entry.height, "block": one.raw.hex()}) for one in invalidated
        ]
        (partial / _INVALIDATED).write_text("".join(line + "\n" for line in lines))
        partial.rename(whole)
        self._number += 1
        return before

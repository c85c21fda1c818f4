"""Bitcoin Core's consensus code (libbitcoinkernel) on one folder of chain data, regtest.

Everything that judges a block happens in the kernel. Its C API gives the class of a verdict only;
the exact reject reason, as Core's submitblock returns it, is what the kernel writes to its log
while it judges, and is read from there.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pbk
from pbk.log import LoggingConnection, LoggingOptions, logging_set_options
from pbk.notifications import NotificationInterfaceCallbacks

from kench.pool.bitcoin import hash_hex, hash_le
from kench.pool.errors import KenchError

_LOG_LINES_MAX = 1000
_REFUSED = re.compile(r"AcceptBlock FAILED \((?P<state>.*)\)\s*$", re.DOTALL)
_NOT_CONNECTED = re.compile(
    r"ConnectBlock (?P<hash>[0-9a-f]{64}) failed, (?P<state>.*?)\s*$", re.DOTALL
)


class ChainFolderError(KenchError):
    """The folder of the chain cannot be used."""


class BlockUndecodableError(Exception):
    """Bytes that are not a serialized block (RPC error -22)."""


class KernelFaultError(Exception):
    """The kernel could not finish judging a block: the disk, not the block, is at fault."""


class StoppingError(Exception):
    """Something was asked of a node that stops."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One block of the block tree: `header` is its 80 bytes, `hash` as RPC spells it."""

    hash: str
    height: int
    header: bytes

    @property
    def previous(self) -> str:
        """Hash of the parent."""
        return hash_hex(self.header[4:36])

    @property
    def version(self) -> int:
        """Version, as the signed number that RPC shows."""
        return int.from_bytes(self.header[:4], "little", signed=True)

    @property
    def time_s(self) -> int:
        """Time of the header, Unix seconds."""
        return int.from_bytes(self.header[68:72], "little")

    @property
    def nbits(self) -> int:
        """Compact target."""
        return int.from_bytes(self.header[72:76], "little")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the kernel did with a block.

    `accepted`: it was stored, or had been; `new`: it had not been known; `checked`: it was judged
    whole, by which it either joined the best chain or was refused; `reason`: why refused.
    """

    accepted: bool
    new: bool
    checked: bool
    reason: str | None


class Kernel:
    """The kernel's chain state in one folder; safe to call from several threads."""

    def __init__(self, folder: Path, on_fatal: Callable[[str], None]) -> None:
        """Open or create the chain in `folder`.

        `on_fatal` is called from any thread when the kernel can no longer write (disk full, input
        and output errors). Raises ChainFolderError.
        """
        self._lock = threading.RLock()
        self._log_lines: list[str] = []
        self._checked: dict[str, Any] = {}
        self._on_fatal = on_fatal
        logging_set_options(LoggingOptions(log_timestamps=False))
        self._log: Any = LoggingConnection(self._keep_log_line)
        self._manager: Any = None
        self._open(folder)

    def _open(self, folder: Path) -> None:
        self.blocks_folder = folder / "blocks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._context = self._open_context()
            options = pbk.ChainstateManagerOptions(
                self._context, str(folder), str(self.blocks_folder)
            )
            self._manager = pbk.ChainstateManager(options)
        except (OSError, RuntimeError) as error:
            why = next((line for line in self._log_lines if "rror" in line), str(error))
            raise ChainFolderError(
                f"cannot open the chain in {folder} ({why.strip()}): is another `kench node` "
                "running on it, the disk full, or the folder not writable? --data (KENCH_DATA) "
                "names the folder"
            ) from error
        self._active = self._manager.get_active_chain()

    def _open_context(self) -> Any:
        options = pbk.ContextOptions()
        self._parameters = pbk.ChainParameters(pbk.ChainType.REGTEST)
        options.set_chainparams(self._parameters)
        options.set_validation_interface(
            pbk.ValidationInterfaceCallbacks(block_checked=self._note_checked)
        )
        options.set_notifications(
            NotificationInterfaceCallbacks(
                fatal_error=self._note_fatal, flush_error=self._note_fatal
            )
        )
        return pbk.Context(options)

    @contextmanager
    def steady(self) -> Iterator[None]:
        """Keep the chain as it is for several questions; raises StoppingError once it is closed."""
        with self._lock:
            if self._manager is None:
                raise StoppingError
            yield

    def reopen(self, folder: Path) -> None:
        """Go on with the chain in another folder; callers wait meanwhile."""
        with self.steady():
            self._let_go()
            self._log_lines.clear()
            self._open(folder)

    def close(self) -> None:
        """Write everything to disk and let the folder go; nothing may be asked afterwards."""
        with self._lock:
            self._let_go()
            self._log.__exit__(None, None, None)

    def _let_go(self) -> None:
        if self._manager is not None:
            self._manager.__exit__(None, None, None)
            self._manager = self._active = None

    # ---- callbacks: the kernel's own threads come here; nothing may raise ----

    def _keep_log_line(self, line: str) -> None:
        if len(self._log_lines) < _LOG_LINES_MAX:
            self._log_lines.append(line)

    def _note_checked(self, _user: object, block: Any, state: Any) -> None:
        self._checked[str(block.block_hash)] = state.validation_mode

    def _note_fatal(self, _user: object, message: Any, size: int) -> None:
        self._on_fatal(message[:size].decode(errors="replace"))

    # ---- judging ----

    def process(self, raw: bytes) -> Verdict:
        """Judge a block and take it in where it is right.

        Raises BlockUndecodableError, KernelFaultError.
        """
        with self.steady():
            block = self._decode(raw)
            block_hash = str(block.block_hash)
            self._log_lines.clear()
            self._checked.clear()
            try:
                new = self._manager.process_block(block)
                accepted = True
            except pbk.util.exc.ProcessBlockException:
                new = accepted = False
            mode = self._checked.get(block_hash)
            checked = mode is not None
            reason = self._reason(block_hash) if checked else None
            if mode == pbk.ValidationMode.INTERNAL_ERROR:
                raise KernelFaultError(reason)
            return Verdict(accepted, new, checked, reason)

    def _reason(self, block_hash: str) -> str | None:
        """Find in the log why the block just judged was refused; None where it was not."""
        for line in self._log_lines:
            refused = _REFUSED.search(line)
            if refused is None:
                refused = _NOT_CONNECTED.search(line)
                if refused is None or refused["hash"] != block_hash:
                    continue
            # A state is written as "reason, words for people", or the reason alone.
            return refused["state"].split(", ", 1)[0] or "rejected"
        return None

    def is_well_formed(self, raw: bytes) -> bool:
        """Tell whether a block breaks no rule that can be judged without its chain or its work."""
        with self.steady():
            state = self._decode(raw).check(
                self._parameters.consensus_params, pbk.BlockCheckFlags.MERKLE
            )
            return bool(state.validation_mode == pbk.ValidationMode.VALID)

    def canonical(self, raw: bytes) -> bytes:
        """Serialize anew what the kernel reads in `raw`; raises BlockUndecodableError."""
        return bytes(self._decode(raw))

    @staticmethod
    def _decode(raw: bytes) -> Any:
        try:
            return pbk.Block(raw)
        except RuntimeError as error:
            raise BlockUndecodableError from error

    # ---- reading ----

    def tip(self) -> Entry:
        """Last block of the best chain."""
        with self.steady():
            return _entry(self._active.block_tree_entries[-1])

    def at(self, height: int) -> Entry | None:
        """Block of the best chain at `height`; None beyond its end."""
        with self.steady():
            known = 0 <= height <= self._active.height
            return _entry(self._active.block_tree_entries[height]) if known else None

    def find(self, block_hash: str) -> Entry | None:
        """Block of that hash on any branch, also one whose body was refused."""
        with self.steady():
            known = self._find(block_hash)
            return None if known is None else _entry(known)

    def count_signals(self, block_hash: str, blocks: int, mask: int, value: int) -> int:
        """Count, of the last `blocks` up to a known one, those with `version & mask == value`."""
        with self.steady():
            known = self._find(block_hash)
            found = 0
            for _ in range(min(blocks, known.height + 1)):
                found += known.block_header.version & mask == value
                if known.height:
                    known = known.previous
            return found

    def ancestor(self, block_hash: str, height: int) -> Entry:
        """Ancestor of a known block at `height`, at most its own."""
        with self.steady():
            return _entry(self._find(block_hash).get_ancestor(height))

    def block(self, block_hash: str) -> bytes | None:
        """Serialized block; None where it is unknown or its body was never stored."""
        with self.steady():
            known = self._find(block_hash)
            if known is None:
                return None
            try:
                return bytes(self._manager.blocks[known])
            except RuntimeError:
                return None

    def size_on_disk(self) -> int:
        """Bytes of the block files."""
        return sum(file.stat().st_size for file in self.blocks_folder.glob("*.dat"))

    def _find(self, block_hash: str) -> Any:
        try:
            return self._manager.block_tree_entries[pbk.BlockHash(hash_le(block_hash))]
        except KeyError:
            return None


def _entry(known: Any) -> Entry:
    header = known.block_header
    return Entry(str(header.block_hash), known.height, bytes(header))

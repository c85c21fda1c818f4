"""Which machine this is among those of its pool, and the front numbers it had last.

DATA/machine.json    id, made once; first number and count, when they were renewed, and where
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kench.pool.durable import write_durably
from kench.pool.errors import KenchError

NAME = "machine.json"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_ID_BYTES = 8
_ID = re.compile(r"[0-9a-f]{16}")


class MachineFileError(KenchError):
    """The file that says which machine this is cannot be used."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Numbers of the last run: `count` from `first` on, renewed then, in that place."""

    first: int = 0
    count: int = 0
    place: str = ""
    renewed_us: int = 0


class Machine:
    """The file, read once and replaced each time that the numbers are renewed."""

    def __init__(self, data: Path) -> None:
        """Read it, or make a new one; raises MachineFileError."""
        self._path = data / NAME
        self.id, self.kept = self._read()

    def keep(self, first: int, count: int, place: str, now_us: int) -> None:
        """Note the numbers of this run; raises OSError."""
        self.kept = Kept(first, count, place, now_us)
        self._write()

    def _read(self) -> tuple[str, Kept]:
        try:
            content: Any = json.loads(self._path.read_text(encoding="utf-8"))
            found, kept = content["id"], content.get("numbers")
            if isinstance(found, str) and _ID.fullmatch(found):
                return found, Kept(**kept) if kept else Kept()
        except FileNotFoundError:
            self.id, self.kept = os.urandom(_ID_BYTES).hex(), Kept()
            self._write()
            return self.id, self.kept
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._fault(repr(error)) from error
        raise self._fault("it holds no id")

    def _write(self) -> None:
        kept = self.kept
        numbers = {
            "first": kept.first, "count": kept.count,
            "place": kept.place, "renewed_us": kept.renewed_us,
        }  # fmt: skip
        content = json.dumps({"id": self.id, "numbers": numbers}).encode()
        write_durably(self._path, content)

    def _fault(self, why: str) -> MachineFileError:
        return MachineFileError(
            f"{self._path} cannot be read ({why}): remove it for this machine to be a new one"
        )


def place_of(data: Path) -> str:
    """Say where a data folder is: this boot of this machine, this folder of this disk."""
    found = data.stat()
    return f"{_BOOT_ID.read_text(encoding='ascii').strip()}:{found.st_dev:x}:{found.st_ino:x}"

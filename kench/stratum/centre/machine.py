"""Which machine this is among those of its pool: DATA/machine.json, made once."""

import json
import os
import re
from pathlib import Path

from kench.pool.durable import write_durably
from kench.pool.errors import KenchError

NAME = "machine.json"
_ID_BYTES = 8
_ID = re.compile(r"[0-9a-f]{16}")


class MachineFileError(KenchError):
    """The file that says which machine this is cannot be used."""


def machine_id(data: Path) -> str:
    """Return the id of the machine whose data folder this is; a new one where there is none.

    Raises MachineFileError.
    """
    path = data / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content["id"]
    except FileNotFoundError:
        found = os.urandom(_ID_BYTES).hex()
        write_durably(path, json.dumps({"id": found}).encode())
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MachineFileError(
            f"{path} cannot be read ({error!r}): remove it for this machine to be a new one"
        ) from error
    if not (isinstance(found, str) and _ID.fullmatch(found)):
        raise MachineFileError(f"{path} holds no id: remove it for this machine to be a new one")
    return found

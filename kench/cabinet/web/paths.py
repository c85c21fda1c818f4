"""Numbers in addresses."""

from typing import Annotated

from fastapi import Path

from kench.pool.register import ID_MAX

Number = Annotated[int, Path(ge=1, le=ID_MAX)]
"""The number of something that the database numbers; another one leads nowhere."""

"""Numbers in addresses: of something, and where a page of a list begins."""

from typing import Annotated

from fastapi import Path, Query

from kench.pool.register import ID_MAX

Number = Annotated[int, Path(ge=1, le=ID_MAX)]
"""The number of something that the database numbers; another one leads nowhere."""
Before = Annotated[int, Query(gt=0, le=ID_MAX)]
"""Where a page begins whose newest come first; without it, before ID_MAX, beyond every number."""
After = Annotated[int, Query(ge=0, le=ID_MAX)]
"""Where a page begins whose smallest numbers come first."""

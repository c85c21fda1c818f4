"""PostgreSQL's binary COPY as numpy arrays: rows of fixed numbers without a loop over them."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"
# What timestamps count from in that form, 2000-01-01, in Unix microseconds.
EPOCH_US = 946_684_800_000_000
NEVER = np.iinfo(np.int64).min  # -infinity there, and nothing here

Column = tuple[str, str]


def row_layout(columns: Sequence[Column]) -> list[tuple[str, str]]:
    """Return how a row lies in a COPY: the number of columns, then each after its size."""
    layout = [("columns", ">i2")]
    for name, kind in columns:
        layout += [(f"{name} size", ">i4"), (name, kind)]
    return layout


def read_copy(
    connection: sa.Connection, query: str, columns: Sequence[Column]
) -> npt.NDArray[np.void]:
    """Return what a query gives, none of it NULL; `columns` are names and big-endian kinds."""
    data = io.BytesIO()
    with contextlib.closing(connection.connection.cursor()) as cursor:
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", data)
    layout = np.dtype(row_layout(columns))
    raw = data.getbuffer()[len(COPY_HEADER) : -len(COPY_END)]
    rows = np.frombuffer(raw, layout)
    if len(rows) and int(rows[0]["columns"]) != len(columns):
        raise AssertionError("a query gave other columns than were named")
    return rows


def to_postgres_us(unix_us: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Turn Unix microseconds into those of PostgreSQL; NEVER stays what it is."""
    return np.where(unix_us == NEVER, NEVER, unix_us - EPOCH_US)


def from_postgres_us(postgres_us: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Turn PostgreSQL's microseconds into Unix ones; -infinity is NEVER."""
    native = postgres_us.astype(np.int64)
    return np.where(native == NEVER, NEVER, native + EPOCH_US)

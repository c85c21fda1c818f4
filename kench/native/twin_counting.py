"""Records of the journal checked and counted, in plain Python: the specification."""

import struct
import zlib
from collections import Counter

from kench.native.checks import check_bytes, check_int
from kench.native.twin_table import FLAG_UNCREDITED, RECORD_SIZE

ROWS_MAX = 1 << 22
"""Rows that are counted at most; they take 200 MiB in the compiled table."""
ROW = struct.Struct("<IIQQ")
"""A count: worker, participant, the bits of the difficulty, how many."""
_RECORD = struct.Struct("<IH2xQ16xII24xQ")
_SEQUENCE_MAX = 2**63 - 1
_AHEAD = 32


def _check_records(records: bytes) -> None:
    check_bytes("records", records)
    if len(records) % RECORD_SIZE:
        raise ValueError(f"records must be a multiple of {RECORD_SIZE} bytes, not {len(records)}")


def whole_records(records: bytes, first_sequence: int) -> int:
    """Return how many records at the start are whole: checksum right, sequences unbroken."""
    _check_records(records)
    check_int("first_sequence", first_sequence, _SEQUENCE_MAX)
    count = len(records) // RECORD_SIZE
    for index in range(count):
        record = records[index * RECORD_SIZE : (index + 1) * RECORD_SIZE]
        crc32, _, sequence, *_ = _RECORD.unpack(record)
        if sequence != first_sequence + index or crc32 != zlib.crc32(record[4:]):
            return index
    return count


class ShareCounts:
    """How many credited shares each participant's worker has of each difficulty."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, int, int]] = Counter()

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self._counts)

    def add(self, records: bytes) -> None:
        """Count records of the journal; what is refused is counted in part."""
        _check_records(records)
        for index, record in enumerate(_RECORD.iter_unpack(records)):
            if index % _AHEAD == 0 and len(self._counts) + _AHEAD > ROWS_MAX:
                raise OverflowError(f"there are more than {ROWS_MAX} rows, or memory is short")
            _, flags, _, participant, worker, difficulty = record
            if not flags & FLAG_UNCREDITED:
                self._counts[worker, participant, difficulty] += 1

    def rows(self) -> bytes:
        """Return the counts, 24 bytes each and in no order."""
        return b"".join(ROW.pack(*key, count) for key, count in self._counts.items())

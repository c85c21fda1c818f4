"""What a submitted share may earn: the outcomes, their wire codes and the words miners read."""

from enum import IntEnum
from typing import Self


class Verdict(IntEnum):
    """The outcome of one mining.submit; shared by the compiled gate and its twin.

    ``code`` and ``text`` stand in the error triple on the wire. Codes stay in 20..25, which is
    all that miners' firmware knows. ``reason`` is the name used in status and metrics.
    """

    code: int
    text: str

    ACCEPTED = 0, 0, ""
    INVALID_PARAMS = 1, 20, "Invalid params"
    NOT_SUBSCRIBED = 2, 25, "Not subscribed"
    UNAUTHORISED = 3, 24, "Unauthorized worker"
    JOB_NOT_FOUND = 4, 21, "Job not found"
    INVALID_EXTRANONCE2 = 5, 20, "Invalid extranonce2 size"
    INVALID_HEX = 6, 20, "Invalid hex"
    INVALID_VERSION_MASK = 7, 20, "Invalid version mask"
    STALE = 8, 21, "Stale"
    NTIME_OUT_OF_RANGE = 9, 20, "Ntime out of range"
    LOW_DIFFICULTY = 10, 23, "Low difficulty share"
    DUPLICATE = 11, 22, "Duplicate share"
    OVERLOADED = 12, 20, "Server overloaded, try again"

    def __new__(cls, value: int, code: int = 0, text: str = "") -> Self:
        """Keep the wire code and text beside the number."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.code = code
        member.text = text
        return member

    @property
    def reason(self) -> str:
        """Snake-case name for status and metrics, such as ``low_difficulty``."""
        return self.name.lower()

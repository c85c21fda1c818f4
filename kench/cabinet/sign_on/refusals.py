"""What may come of an entry by the state's sign-on but the entry itself."""

from enum import StrEnum

from kench.pool.errors import KenchError


class Refusal(StrEnum):
    """Why nobody entered."""

    DENIED = "denied"
    """The person, or the sign-on, said no."""
    UNKNOWN = "unknown"
    """No such request of this browser."""
    EXPIRED = "expired"
    USED = "used"
    AWAY = "away"
    """The sign-on does not answer, or not as one."""
    TOKEN = "token"  # noqa: S105 - the name of a refusal
    """What it answered does not prove who enters."""
    PERSON = "person"
    """It names no person: there is no personal number."""
    BUSY = "busy"
    LIMITED = "limited"


class SignOnError(KenchError):
    """An entry by the sign-on that came to nothing; the message says why, and holds no secret."""

    def __init__(self, refusal: Refusal, why: str) -> None:
        super().__init__(why)
        self.refusal = refusal

"""Who may mine: logins judged against the cached register (D2)."""

from collections import OrderedDict
from typing import Protocol

from kench.pool.register_feed import Snapshot
from kench.stratum.contract import Admission, NewWorker
from kench.stratum.login import parse_login

# User names whose refused logins are remembered.
FAILED_MAX = 4096


class Register(Protocol):
    """The register in memory (`RegisterFeed`)."""

    @property
    def snapshot(self) -> Snapshot:
        """The newest known state."""
        ...


class Admissions:
    """Answers logins at once, from memory."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self.refused = 0  # logins, since start
        self._failed: OrderedDict[bytes, int] = OrderedDict()

    def admit(self, user: object, tokens: tuple[str, ...]) -> Admission | NewWorker | None:
        """Return whom a login may mine as; NewWorker if only its worker is unknown; None if not.

        The participant must be active and one of the password's parts its token.
        """
        login = parse_login(user)
        if login is None:
            return None
        participant = self._register.snapshot.participants.get(login.participant)
        if participant is None or not participant.active:
            return None
        if not any(participant.accepts(token) for token in tokens):
            return None
        if self._failed:
            self._failed.pop(str(user).encode(errors="replace"), None)
        worker = participant.workers.get(login.worker)
        if worker is None:
            return NewWorker(login.participant, login.worker)
        return Admission(login.participant, worker)

    def count_failed(self, name: bytes) -> int:
        """Count a refused login; return how many there were since this name was last admitted.

        Only so many names are remembered: the one refused least recently is forgotten.
        """
        self.refused += 1
        failed = self._failed.pop(name, 0) + 1
        self._failed[name] = failed
        if len(self._failed) > FAILED_MAX:
            self._failed.popitem(last=False)
        return failed

    def is_active(self, participant_id: int) -> bool:
        """Say whether a participant may mine now."""
        participant = self._register.snapshot.participants.get(participant_id)
        return participant is not None and participant.active

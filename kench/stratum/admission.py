"""Who may mine: logins judged against the cached register (D2)."""

from collections import OrderedDict
from collections.abc import Iterable
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
        # Tokens by which somebody came in here, by participant: only of these an end is looked for.
        self._came_by: dict[int, set[int]] = {}

    def admit(self, user: object, tokens: tuple[str, ...]) -> Admission | NewWorker | None:
        """Return whom a login may mine as; NewWorker if only its worker is unknown; None if not.

        The participant must be active and one of the password's parts a token of its own.
        """
        login = parse_login(user)
        if login is None:
            return None
        participant = self._register.snapshot.participants.get(login.participant)
        if participant is None or not participant.active:
            return None
        accepted = (participant.accepts(token) for token in tokens)
        came_by = next((token for token in accepted if token is not None), None)
        if came_by is None:
            return None
        self._came_by.setdefault(login.participant, set()).add(came_by)
        if self._failed:
            self._failed.pop(str(user).encode(errors="replace"), None)
        worker = participant.workers.get(login.worker)
        if worker is None:
            return NewWorker(login.participant, login.worker, came_by)
        return Admission(login.participant, worker, came_by)

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

    def take_ended(self, changed: Iterable[int]) -> set[int]:
        """Return the tokens of these participants by which nobody may mine any more, once each.

        Of a participant that is not active these are all, and of another those that were revoked.
        """
        ended: set[int] = set()
        for one in changed:
            came_by = self._came_by.get(one)
            if came_by is None:
                continue
            participant = self._register.snapshot.participants.get(one)
            if participant is not None and participant.active:
                gone = came_by.difference(token for token, _ in participant.tokens)
            else:
                gone = came_by.copy()
            ended |= gone
            came_by -= gone
            if not came_by:
                del self._came_by[one]
        return ended

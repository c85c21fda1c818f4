"""User agents as small numbers: the native tally counts refusals by them, within a bound."""

from collections.abc import Mapping

from kench.native import Verdict

# Refusals by (participant, worker, verdict, number of the user agent); 0 where unknown.
NumberedTally = Mapping[tuple[int, int, Verdict, int], int]
# The same with the user agent's text.
Refused = tuple[int, int, Verdict, str]
Tally = Mapping[Refused, int]

# Different user agents at once; who is not logged in may bring the first half of them.
AGENTS_MAX = 1024
STRANGERS_MAX = AGENTS_MAX // 2
NONE, OTHER = 0, 1
OTHER_TEXT = "other"


class UserAgents:
    """Numbers for the user agents of this front's sessions, given out again when none is left.

    A number whose sessions have all ended is kept until the tally was named, so that no refusal
    is counted for another's user agent.
    """

    def __init__(self) -> None:
        self._numbers = {"": NONE, OTHER_TEXT: OTHER}
        self._texts = {NONE: "", OTHER: OTHER_TEXT}
        self._sessions: dict[int, int] = {}
        self._ended: set[int] = set()
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._texts) - 2

    def take(self, text: str, *, known: bool) -> int:
        """Return the number of a session's user agent; OTHER where there are too many.

        `known` is whether the session is logged in.
        """
        number = self._numbers.get(text)
        if number is None:
            if len(self) >= (AGENTS_MAX if known else STRANGERS_MAX):
                return OTHER
            number = self._free.pop() if self._free else len(self._texts)
            self._numbers[text], self._texts[number] = number, text
        if number > OTHER:
            self._sessions[number] = self._sessions.get(number, 0) + 1
            self._ended.discard(number)
        return number

    def give_back(self, number: int) -> None:
        """Have a session with this number ended."""
        if number > OTHER:
            self._sessions[number] -= 1
            if not self._sessions[number]:
                self._ended.add(number)

    def text(self, number: int) -> str:
        """Return the user agent with this number."""
        return self._texts[number]

    def named(self, tally: NumberedTally) -> dict[Refused, int]:
        """Return all that was tallied until now by text, and forget whose sessions have ended."""
        by_text = {
            (participant, worker, verdict, self._texts[agent]): count
            for (participant, worker, verdict, agent), count in tally.items()
        }
        for number in self._ended:
            del self._numbers[self._texts.pop(number)], self._sessions[number]
            self._free.append(number)
        self._ended.clear()
        return by_text

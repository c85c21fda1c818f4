"""What is known of miners by the name of their software: one table, and the look into it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AgentDefaults:
    """What holds for a kind of software unless its miner asks for something else."""

    floor: float = 0.0
    """Least difficulty of its connections: who rents out hash power wants a high one from the
    first job on, and leaves below it (A6.9, A10.1, A10.2)."""
    is_probe: bool = False
    """It only looks whether work comes, and mines nothing (A10.2)."""


UNKNOWN = AgentDefaults()

# Beginnings of user agents in lower case; the first that fits counts.
AGENTS = (
    ("nicehash/", AgentDefaults(floor=524_288.0)),
    ("mrr-hash/", AgentDefaults(floor=1e6)),
    ("miningrigrentals/test", AgentDefaults(floor=1e6, is_probe=True)),
    ("miningrigrentals/", AgentDefaults(floor=1e6)),
)
# Most user agents are told apart by this, which matters when a job goes to thousands.
_FIRST_LETTERS = frozenset(prefix[0] for prefix, _ in AGENTS)
_FIRST_LETTERS |= {letter.upper() for letter in _FIRST_LETTERS}


def defaults_of(user_agent: str) -> AgentDefaults:
    """Return what holds for a user agent, however its letters are cased (A10.1)."""
    if user_agent[:1] in _FIRST_LETTERS:
        agent = user_agent.lower()
        for prefix, defaults in AGENTS:
            if agent.startswith(prefix):
                return defaults
    return UNKNOWN

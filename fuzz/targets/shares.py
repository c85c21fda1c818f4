"""Told the same jobs, tips, names, difficulties and submits, gate and twin never differ.

Inputs are choices: each step is one operation on both.
"""

from fuzz import submit_lines
from fuzz.source import Source
from fuzz.twins import ANY_HASH, HALF, NO_HASH, NOW_S, NOW_US, QUARTER, Pair

EXECUTIONS = 40
LENGTH_MAX = 1024
STEPS_MAX = 48
TARGETS = (NO_HASH, NO_HASH, ANY_HASH, HALF, QUARTER)


def check(data: bytes) -> None:
    """Hold the sequence to the invariant."""
    world = World(Source(data))
    for _ in range(STEPS_MAX):
        if not world.source.more:
            break
        world.step()
        world.pair.check()
    world.pair.end()


class World:
    """Both twins, the time, and the newest job's key."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.pair = Pair()
        self.newest = 1
        self.now_us = NOW_US

    def step(self) -> None:
        """Do one thing to both: submits for the most part."""
        pair, source = self.pair, self.source
        kind = source.below(16)
        if kind == 0:
            self.add_job()
        elif kind == 1:
            grace_us = source.pick((0, 3_000_000))
            pair.both(pair.tables, "new_tip", self.now_us + grace_us)
        elif kind == 2:
            self.now_us += source.byte() * 100_000
        elif kind == 3:
            name = source.pick(submit_lines.NAMES)
            if source.below(2):
                pair.both(pair.gates, "allow", name, 17, source.byte())
            else:
                pair.both(pair.gates, "forget", name)
        elif kind == 4:
            pair.both(pair.gates, "set_mask", source.pick((0, 0x1FFFE000, 0x6000)), source.below(2))
        elif kind == 5:
            self.set_difficulty()
        elif kind == 6:
            pair.both(pair.records, "take")
            pair.both(pair.tables, "remember", source.below(4), bytes([source.below(4)]) * 32)
            pair.both(pair.tables, source.pick(("take_candidates", "take_tally")))
        elif kind <= 10:
            self.submit()
        else:
            self.lines()

    def add_job(self) -> None:
        """Add a job with a key that may not ascend."""
        source = self.source
        key = max(self.newest + source.pick((1, 1, 1, 2, 0, -1)), 1)
        facts = (
            source.pick((0x20000000, 0x20002000)),
            source.pick((NOW_S, NOW_S - 8000, NOW_S + 7100)),
            source.below(4),
            source.pick((8, 8, 8, 4)),
        )
        self.pair.add(key, source.pick(TARGETS), *facts)
        self.newest = max(key, self.newest)

    def set_difficulty(self) -> None:
        """Raise or lower the difficulty from a job on that may lie behind."""
        from_key = max(self.newest + self.source.pick((0, 1, 2, -1)), 0)
        difficulty = self.source.pick((1.0, 0.5, 8, 0, float("nan")))
        target_le = self.source.pick(TARGETS)
        self.pair.both(self.pair.gates, "set_difficulty", difficulty, target_le, from_key)

    def submit(self) -> None:
        """Submit one share as the general parser does."""
        params = submit_lines.share(self.source, self.newest, NOW_S)
        bits = params[5] if len(params) == 6 else None
        self.pair.both(self.pair.gates, "submit", *params[:5], bits, self.now_us)

    def lines(self) -> None:
        """Submit some lines as they come from a socket."""
        source = self.source
        offset = source.below(3)
        raw = b"".join(
            submit_lines.line(source, submit_lines.share(source, self.newest, NOW_S))
            for _ in range(1 + source.below(4))
        )
        self.pair.both(self.pair.gates, "plain", b" " * offset + raw, offset, self.now_us)

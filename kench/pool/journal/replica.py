"""What the journal's writer tells whoever keeps a second copy of it: a standby, a stream."""

from typing import NamedTuple, Protocol


class Reached(NamedTuple):
    """How far a journal is on disk here."""

    first_sequence: int
    """Of the segment that is written."""
    jobs_size: int
    shares_size: int
    records: int
    """In all segments."""
    watermark_us: int


class Replica(Protocol):
    """Called in the writer's thread: `begin`, then `lose` or `finish`, for each batch.

    None of them raises what the other end does or does not do.
    """

    def begin(self, before: Reached, job_lines: bytes, records: bytes, watermark_us: int) -> None:
        """Take a batch that is about to be written behind `before`."""
        ...

    def lose(self) -> None:
        """Forget it: the disk here refused it, and it comes again."""
        ...

    def finish(self, reached: Reached) -> bool:
        """Return whether it may be acknowledged, now that it is on disk here."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait until what was finished last may be acknowledged; False where the time is over."""
        ...

"""How many pages are made at once, beside the event loop."""

import anyio.to_thread

THREADS_MAX = 12
"""Handlers at work at once; each has a connection of PostgreSQL to itself. Others wait in turn."""


def bound_threads() -> None:
    """Bound the thread pool of this event loop's handlers."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS_MAX

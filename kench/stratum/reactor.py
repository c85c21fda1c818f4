"""Twisted's reactor on our loop, whose timers no step of the wall clock stops."""

import asyncio

from twisted.internet import asyncioreactor

from kench.pool.clock import Clock


def install_reactor(loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
    """Install the reactor of this process; its timers count monotonic seconds.

    Twisted's own count is that of the wall clock: set back by an hour, whatever is due each second
    stands still for an hour.
    """
    asyncioreactor.install(loop)
    # Twisted's modules take the installed reactor when they are imported.
    from twisted.internet import reactor  # noqa: PLC0415 - after it is installed

    # All its timers ask this attribute: there is no other way to say so.
    setattr(reactor, "seconds", clock.monotonic)  # noqa: B010 - its stub knows no such name

"""The base of every fault of ours: something broke, and the message says what mends it."""


class KenchError(Exception):
    """A fault whose text is one line that names the setting or command that mends it.

    Each cause has a subclass of its own in the module that raises it. A composition root prints
    the text and ends with exit status 1 (`kench.pool.roots`). What a miner may earn by its own
    doing is not a fault but an outcome: an enum value, answered and counted.
    """

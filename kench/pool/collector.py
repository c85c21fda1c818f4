"""Python's collector of cycles, set for a process that holds many small objects for long."""

import gc

# Connections and sessions are freed without it; it is for the few cycles that errors leave. At
# the interpreter's own thresholds it looked through all the thousands again and again while they
# came in, which took about a tenth of each login.
THRESHOLDS = (50_000, 20, 50)


def spare_collector() -> None:
    """Have it leave alone what the start made, and look at the rest seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)

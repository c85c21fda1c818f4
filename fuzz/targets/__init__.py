"""A module for each target: its docstring begins with the invariant, `check` holds an input to it.

EXECUTIONS is a target's share of a run; LENGTH_MAX bounds its inputs, in bytes.
"""

TARGETS = (
    "session",
    "conversation",
    "message",
    "plain",
    "shares",
    "wires",
    "login",
    "proxy",
    "answer",
    "template",
    "feed",
    "journal",
    "order",
    "proof",
)

"""What keeps income from being formed, closed or handed over."""

from kench.pool.errors import KenchError


class IncomeError(KenchError):
    """What was asked for cannot be done with income records."""


class IncomeNotTiedError(IncomeError):
    """The ledger does not bear the records out: nothing is written."""


class PeriodClosedError(IncomeError):
    """A closed period takes no record."""

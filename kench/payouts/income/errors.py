"""What keeps income from being formed, closed or handed over."""

from enum import StrEnum

from kench.pool.errors import KenchError


class IncomeError(KenchError):
    """What was asked for cannot be done with income records."""


class IncomeNotTiedError(IncomeError):
    """The ledger does not bear the records out: nothing is written."""


class PeriodClosedError(IncomeError):
    """A closed period takes no record."""


class Standing(StrEnum):
    """What an order is on a day, as PostgreSQL says (`order_standing`)."""

    IN_FORCE = "in_force"
    UNKNOWN = "unknown"
    LATER = "later"
    REPLACED = "replaced"


_OPENS_NOTHING = {
    Standing.UNKNOWN: "there is no order {} in force: `kench order list` names all",
    Standing.LATER: "order {} takes effect later: a reopening rests on one that is in force",
    Standing.REPLACED: "later orders have replaced all of order {}: name one that is in force",
}


class OrderNotInForceError(IncomeError):
    """An order that opens no period: there is none, or it is not in force."""

    def __init__(self, number: int, standing: Standing) -> None:
        super().__init__(_OPENS_NOTHING[standing].format(number))
        self.number, self.standing = number, standing

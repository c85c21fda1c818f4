"""Settings of the clients' account at the bank, from which participants are paid."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, field_validator
from pydantic_settings import NoDecode

from kench.pool.door_settings import words_of


class BankSettings(BaseModel):
    """Those of `Settings` that proceeds and payouts read."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    bank_holder: str | None = None
    """Name on the clients' account at the bank, from which participants are paid."""
    bank_account: str | None = None
    """Number of the clients' account; the operator's own money is on another."""
    bank_code: str | None = None
    """Its bank: BIC, or the six digits of the Republic's clearing."""
    bank_account_pattern: str = "[0-9]{16}"
    """What numbers of accounts look like, a regular expression."""
    bank_venue_accounts: Annotated[tuple[str, ...], NoDecode] = ()
    """Number of the account that each venue pays proceeds from, `venue=number`: credits from there
    are booked as that venue's."""

    @field_validator("bank_venue_accounts", mode="before")
    @classmethod
    def _split_accounts(cls, value: object) -> object:
        return words_of(value)

    @field_validator("bank_account_pattern")
    @classmethod
    def _check_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        return value

    @field_validator("bank_venue_accounts")
    @classmethod
    def _check_venue_accounts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        numbers = [entry.partition("=")[2] for entry in value]
        if not all(numbers) or len(set(numbers)) < len(numbers):
            raise ValueError("each must look like venue=number, and no number stands twice")
        return value

"""Bank accounts: holder, number and bank as data, checked on entry."""

import re
from dataclasses import dataclass

from kench.pool.errors import KenchError

HOLDER_MAX = 140
"""Characters of a name in ISO 20022."""
_BIC = re.compile(r"[A-Z]{6}[A-Z2-9][A-NP-Z0-9](?:[A-Z0-9]{3})?")
_DOMESTIC = re.compile(r"[0-9]{6}")


class BankAccountError(KenchError):
    """An account that no money can be sent to."""


@dataclass(frozen=True, slots=True)
class BankAccount:
    """Where money goes to, or from."""

    holder: str
    number: str
    bank: str
    """The bank's BIC, or its six digits in the Republic's own clearing."""

    @property
    def is_domestic(self) -> bool:
        """Whether the bank is named by its six digits."""
        return _DOMESTIC.fullmatch(self.bank) is not None


def bank_account(holder: str, number: str, bank: str, pattern: str) -> BankAccount:
    """Return the account, blanks taken out, checked. Raises BankAccountError."""
    name = " ".join(holder.split())
    digits, code = ("".join(part.split()).upper() for part in (number, bank))
    if not 1 <= len(name) <= HOLDER_MAX or not name.isprintable():
        raise BankAccountError(f"a holder's name has 1 to {HOLDER_MAX} characters that can be seen")
    if not re.fullmatch(pattern, digits):
        raise BankAccountError(
            f"{digits[:40]!r} is no account number: it must match {pattern} (bank_account_pattern)"
        )
    if not (_BIC.fullmatch(code) or _DOMESTIC.fullmatch(code)):
        raise BankAccountError(
            f"{code[:20]!r} is no bank: give its BIC (8 or 11 characters) or its six digits"
        )
    return BankAccount(name, digits, code)

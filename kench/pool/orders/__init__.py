"""Orders of the authorised body: numbered documents whose rules the pool follows (D13)."""

"""Income at the desk: what officers sign of a period, and which periods wait for it."""

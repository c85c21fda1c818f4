"""A participant's month as evidence: read from the ledger, tied to it, shown in four forms."""

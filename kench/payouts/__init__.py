"""What an accountant sees: work totals, rounds, the reward split, the ledger and its audit."""

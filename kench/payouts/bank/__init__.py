"""Money to participants' bank accounts: batches as pain.001, the bank's answers, what they book."""

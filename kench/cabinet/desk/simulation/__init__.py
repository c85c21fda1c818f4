"""What an order would have changed in the last days, computed before anybody signs it."""

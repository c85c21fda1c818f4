"""A CPU miner: a gentle Stratum client on the native nonce scan, for demos and trials."""

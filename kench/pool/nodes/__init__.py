"""The Bitcoin nodes the pool leans on: health, tips, templates, failover, and the chain by hash."""

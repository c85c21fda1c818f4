"""What the benchmarks load the server with: a compiled client, the pool, and a yardstick."""

"""Benchmarks: one module for each guarded path, `python -m benchmarks` for all of them."""

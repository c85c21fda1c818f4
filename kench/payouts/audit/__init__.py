"""The audit: everything in the books computed again from journal and chain, and compared.

`kench verify` is its root. It reads one snapshot of the database, as far as that was settled, so
it may run beside a pool at work.
"""

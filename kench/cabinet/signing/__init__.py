"""Signing requests, which are exact bytes that wait for a signature, and signed acts."""

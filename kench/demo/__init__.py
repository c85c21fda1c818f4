"""Demonstrations: parts of the pool shown at work on made-up data, on this machine alone."""

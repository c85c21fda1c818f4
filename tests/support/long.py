"""How much a test does: what each run of the suite can afford, or all of it (`make long`)."""

import os

import pytest

IS_LONG = os.environ.get("KENCH_TEST_LONG") == "1"
ONLY_LONG = pytest.mark.skipif(not IS_LONG, reason="a run of `make long`")
"""For what costs much and whose parts other tests hold."""


def so_many(in_the_suite: int, in_the_long_run: int) -> int:
    """Of what a test does again and again with chance, as much as this run has time for."""
    return in_the_long_run if IS_LONG else in_the_suite

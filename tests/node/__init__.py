"""Tests of kench.node."""

"""Tests of what the officers' desk works by."""

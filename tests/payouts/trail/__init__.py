"""Tests of the trail's chain."""

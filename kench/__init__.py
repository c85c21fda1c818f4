"""Kench: the server of the Unified State System of Collective Mining."""

__version__ = "0.1.0"

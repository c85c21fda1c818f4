"""Venues: the port that the sale speaks to, and the adapters behind it."""

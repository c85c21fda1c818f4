"""Proceeds: what a sold lot brought, owed to those whose coins were in it."""

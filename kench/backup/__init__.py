"""Backups that the authorised body alone can open, restoring them, and the standby abroad."""

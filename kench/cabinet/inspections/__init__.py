"""Inspections: planned by risk, done by a checklist, their outcome signed and shown."""

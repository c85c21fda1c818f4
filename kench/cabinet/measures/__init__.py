"""Measures of the authorised body against a participant, and how it sees what was decided."""

"""The mandatory first sale: lots, venues, screening, the planner and what carries it out."""

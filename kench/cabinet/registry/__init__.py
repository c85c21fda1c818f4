"""The Electronic Register as others see it: search, history, extracts, its public part."""

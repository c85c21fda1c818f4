"""What Kench is made of that others made: read from the locks, listed, looked up in advisories."""

"""Coverage-guided fuzzing of all that reads what others wrote; see README.md in this folder."""

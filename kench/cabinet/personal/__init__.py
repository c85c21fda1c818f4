"""Personal data: what is held of people and why, a copy for whom it is about, and forgetting."""

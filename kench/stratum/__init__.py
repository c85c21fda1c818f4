"""What a miner sees: sessions, difficulty, jobs sent out, shares answered."""

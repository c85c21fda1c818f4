"""What a pool of a given size would need: a discrete simulation on measured costs."""

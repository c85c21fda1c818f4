"""Numbers that pages show: pure reading of statistics, blocks and earnings."""

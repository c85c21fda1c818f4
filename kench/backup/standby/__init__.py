"""The standby abroad: it takes what the main machine ships, and leads when it is told to."""

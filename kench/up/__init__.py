"""`kench up`: starts every part on this machine by running its root, and keeps it running."""

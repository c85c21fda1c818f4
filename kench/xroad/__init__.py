"""The twin of a security server of X-Road, for development: it passes messages, and signs none."""

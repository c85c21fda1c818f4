"""A whole pool on hosts of its own, and what befalls machines: `make chaos`."""

"""Short commands: each module is a root of `kench`, or what one of them shows."""

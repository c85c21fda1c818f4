"""A whole site under a steady load for an hour, with a fault a minute (`make soak`)."""

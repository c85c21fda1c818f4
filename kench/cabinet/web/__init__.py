"""The pages: application, rooms (one module each), templates, and the checks around them."""

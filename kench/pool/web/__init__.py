"""What every web server here has in common: bounds on time and size, and TLS."""

"""The local AML/KYT provider: a real HTTP server with scripted answers, for development."""

"""Alerts: what a participant is told of without asking, by e-mail, webhook or a messenger's bot."""

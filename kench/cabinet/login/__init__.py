"""Persons, their logins, limits on entering, who acts for whom, and the trail of all that."""

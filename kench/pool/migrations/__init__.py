"""Migrations of the schema, written by hand, run by Alembic through `database.migrate`."""

"""What Alembic runs: it migrates in the transaction, and under the lock, of its caller."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"], transactional_ddl=True, target_metadata=None
)
context.run_migrations()

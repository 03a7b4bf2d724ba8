"""Alembic's entry. harvester passes its own open transaction in, so a migration happens whole or not at all."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transactional_ddl=True, render_as_batch=True)
context.run_migrations()

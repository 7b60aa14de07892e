"""How Alembic runs here: on the connection and with the tables that `Migrator` hands over.

Belongs here: nothing else. Must not: URLs; `cs migrate` and `make migration` are the way in.
"""

from alembic import context

from cs_resources.warehouse_migrations import options

connection = context.config.attributes["connection"]
tables = context.config.attributes["tables"]
context.configure(connection=connection, **options(connection, tables))
with context.begin_transaction():
    context.run_migrations()

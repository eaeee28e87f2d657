"""Alembic runs this to migrate the gateway's store: all pending migrations in one transaction."""

import sqlite3

from alembic import context
from sqlalchemy import create_engine, pool


def _connect() -> sqlite3.Connection:
    # isolation_level None: the driver opens no transaction of its own, so DDL is in ours.
    return sqlite3.connect(str(context.config.attributes["path"]), isolation_level=None)


def run() -> None:
    engine = create_engine("sqlite://", creator=_connect, poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        context.configure(connection=connection, transactional_ddl=False)
        context.run_migrations()
        connection.exec_driver_sql("COMMIT")


run()

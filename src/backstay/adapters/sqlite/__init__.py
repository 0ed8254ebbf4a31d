"""SQLite inside the process, through apsw; never through the standard ``sqlite3`` module.

Two SQLite libraries on one file in one process break its locks, so SQLAlchemy and Alembic come this way too: importing
this package names the dialect ``sqlite+apsw``.
"""

from sqlalchemy.dialects import registry

registry.register("sqlite.apsw", "backstay.adapters.sqlite.dialect", "ApswDialect")

"""Tables that are never served, whoever asks and whatever is open: ours, and the notes that tools keep.

This is the one place that knows them.  They are told by name, in every schema and in any case of letters: ours begin
with ``backstay_``, so that no app's table is in the way, and a copy of them in another schema holds the same hashes.

A view over such a table is somebody's choice, and is served as any other view.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from backstay.catalog.facts import Facts
from backstay.errors import ConfigError

_OURS: Final = "backstay_"
#: Of Alembic; it says which migration a database is at.
_OF_TOOLS: Final = frozenset(("alembic_version",))
#: PostgreSQL's own, with the hashes of its roles' passwords; no schema of anybody else may begin with ``pg_``.
_OF_POSTGRESQL: Final = ("pg_", "information_schema")


def is_ours(name: str) -> bool:
    """Whether a table called *name* is one that Backstay keeps for itself.

    >>> is_ours("backstay_users"), is_ours("Backstay_Users"), is_ours("users"), is_ours("my_backstay_users")
    (True, True, False, False)
    """
    return name.lower().startswith(_OURS)


def is_reserved(name: str) -> bool:
    """Whether a table called *name* is never served."""
    return is_ours(name) or name.lower() in _OF_TOOLS


def refuse_reserved(name: str) -> None:
    """Refuse a model of an app whose table is called *name* where that is one of ours.

    Raises:
        ConfigError: BST-E107.
    """
    if is_ours(name):
        raise ConfigError(
            "BST-E107",
            f"The table {name} has a name that is kept for Backstay's own tables",
            hint=f"Give it one that does not begin with {_OURS}.",
        )


def refuse_system_schema(schema: str) -> None:
    """Refuse to serve *schema* where it is PostgreSQL's own.

    Raises:
        ConfigError: BST-E108.
    """
    if schema.lower().startswith(_OF_POSTGRESQL):
        raise ConfigError(
            "BST-E108",
            f"The schema {schema} is PostgreSQL's own, and is not served",
            hint="Name the schema of your tables; make a view there of what you want to show.",
        )


def without_reserved(facts: Facts) -> Facts:
    """*facts* as if the tables that are never served, and every key that has to do with them, were not there.

    Raises:
        ConfigError: BST-E109, for a function that gives rows of one.
    """
    for function in facts.functions:
        if function.table is not None and is_reserved(function.table.table):
            raise ConfigError(
                "BST-E109",
                f"The function {function.name.table} gives rows of {function.table.table}, which are never served",
                hint="Leave it out, or let it return a type of its own with the columns that it is to show.",
            )
    tables = tuple(table for table in facts.tables if table.is_view or not is_reserved(table.name.table))
    keys = tuple(key for key in facts.keys if not is_reserved(key.table.table) and not is_reserved(key.referred.table))
    # A view keeps the primary key that it shows, which is its own; it relates to nothing that is not there.
    shown = tuple(key for key in facts.view_keys if key.kind == "p" or not is_reserved(key.table.table))
    return replace(facts, tables=tables, keys=keys, view_keys=shown)

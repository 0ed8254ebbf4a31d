"""What SQL on a request connection may do (SQ4).

SQLite asks while it prepares a statement, never while it runs one, so a prepared statement costs nothing more.
"""

from __future__ import annotations

from typing import Final

import apsw

#: Rows may be read and written, transactions opened and closed.  Everything else is the schema, a file or a setting.
_ALLOWED: Final = frozenset(
    {
        apsw.SQLITE_SELECT,
        apsw.SQLITE_READ,
        apsw.SQLITE_INSERT,
        apsw.SQLITE_UPDATE,
        apsw.SQLITE_DELETE,
        apsw.SQLITE_FUNCTION,
        apsw.SQLITE_RECURSIVE,
        apsw.SQLITE_TRANSACTION,
        apsw.SQLITE_SAVEPOINT,
    }
)

#: Pragmas that only tell; FTS5 asks for ``data_version`` by itself.
_TELLING: Final = frozenset(
    {
        "collation_list",
        "data_version",
        "defer_foreign_keys",  # of one transaction, and its COMMIT checks all the same
        "foreign_key_check",
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "table_info",
        "table_list",
        "table_xinfo",
    }
)

#: Settings that may be asked, not set; SQLAlchemy asks for the first.
_ASKED: Final = frozenset({"read_uncommitted", "foreign_keys", "query_only", "journal_mode", "synchronous"})

_DENIED_FUNCTIONS: Final = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})

#: Tables that only grow (AU1); their triggers refuse the same to connections that have no authorizer.
_APPEND_ONLY: Final = frozenset({"backstay_audit"})
_CHANGING: Final = frozenset({apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE})


def authorize(operation: int, one: str | None, two: str | None, database: str | None, inside: str | None) -> int:
    """SQLite's authorizer callback: ``SQLITE_OK`` or ``SQLITE_DENY``, by operation and its two arguments."""
    if operation in _ALLOWED:
        if operation == apsw.SQLITE_FUNCTION and two is not None and two.lower() in _DENIED_FUNCTIONS:
            return apsw.SQLITE_DENY
        if operation in _CHANGING and one in _APPEND_ONLY:
            return apsw.SQLITE_DENY
        return apsw.SQLITE_OK
    if operation == apsw.SQLITE_PRAGMA and one is not None:
        pragma = one.lower()
        if pragma in _TELLING or (pragma in _ASKED and two is None):
            return apsw.SQLITE_OK
    return apsw.SQLITE_DENY

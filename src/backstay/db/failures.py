"""Driver errors become `DatabaseError`: tables by SQLSTATE and by SQLite result code.

Rules of this file:

1. Nothing here imports a driver; an error is read by its public attributes.
2. Clients branch on SQLSTATE, so SQLite answers with PostgreSQL's codes and PostgreSQL's sentences.
3. A broken constraint is a `ConstraintError`, without values (see ``violation``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, MetaData, Table, UniqueConstraint

from backstay.db.raised import raised
from backstay.db.violation import (
    CHECK,
    CHECK_OPTION,
    FOREIGN_KEY,
    NOT_NULL,
    UNIQUE,
    ConstraintError,
    Violation,
    broken_constraint,
)
from backstay.errors import BackstayError, DatabaseError

#: Sent with every 503 and 504 from the database: it is worth trying again soon.
RETRY: Final = (("Retry-After", "1"),)

TIMEOUT_MESSAGE: Final = "canceling statement due to statement timeout"

_ASK_LESS: Final = "Ask for fewer rows or columns (limit, select), also of what is embedded."


# -- SQLite -----------------------------------------------------------------------------------------------------------

#: Primary result code (the low byte) → (code, message).  ``sqlite.org/rescode.html``
_SQLITE: Final[Mapping[int, tuple[str, str]]] = {
    3: ("42501", "permission denied"),
    5: ("55P03", "could not obtain lock: the database is busy"),
    6: ("55P03", "could not obtain lock: the table is busy"),
    7: ("53200", "out of memory"),
    8: ("25006", "cannot write in a read-only transaction"),
    9: ("57014", TIMEOUT_MESSAGE),
    10: ("BST503", "the disk did not answer"),
    11: ("XX001", "the database file is damaged"),
    13: ("BST507", "the disk is full"),
    14: ("PGRST000", "the database file cannot be opened"),
    15: ("55P03", "could not obtain lock: the database is busy"),
    17: ("40001", "the schema changed while the statement ran"),
    18: ("BST413", "the answer, or a value in it, is too large"),
    20: ("22P02", "the value does not have the type of the column"),
    22: ("58030", "the file system lacks a needed feature"),
    23: ("42501", "permission denied for this statement"),
    26: ("XX001", "the file is not a database"),
}

#: Extended result code → SQLSTATE, for constraints.
_SQLITE_CONSTRAINT: Final[Mapping[int, str]] = {
    275: CHECK,
    787: FOREIGN_KEY,
    1299: NOT_NULL,
    1555: UNIQUE,
    2067: UNIQUE,
    2579: UNIQUE,
}
_SQLITE_TRIGGER: Final = 1811
_SQLITE_DATATYPE: Final = 3091

#: SQLITE_ERROR (1) says what happened in its text only.
_SQLITE_TEXT: Final[tuple[tuple[str, str], ...]] = (
    ("no such table", "42P01"),
    ("no such column", "42703"),
    ("has no column named", "42703"),
    ("ambiguous column name", "42702"),
    ("no such function", "42883"),
    ("wrong number of arguments", "42883"),
    ("integer overflow", "22003"),
    ("malformed JSON", "22P02"),
    ("JSON path", "2203A"),
    ("syntax error", "42601"),
    ("incomplete input", "42601"),
    ("ON CONFLICT clause does not match", "42P10"),
    ("ROLLBACK TO", "3B001"),
    ("no such savepoint", "3B001"),
)

#: PostgreSQL's sentence, where clients know it.
_SAID: Final = {"42P10": "there is no unique or exclusion constraint matching the ON CONFLICT specification"}


#: What to do, by the sentence.
_HINTS: Final = {_SAID["42P10"]: "Name in on_conflict the columns of the primary key, or of one unique constraint."}


def from_sqlite(error: BaseException, metadata: MetaData | None = None) -> BackstayError:
    """The `BackstayError` that *error*, raised by apsw or by a value it cannot bind, stands for.

    *metadata* lets it find the constraint's name; SQLite tells only the columns.  A `BackstayError` raised inside a
    user function comes back as it is.
    """
    if isinstance(error, BackstayError):
        return error
    extended = 7 if isinstance(error, MemoryError) else getattr(error, "extendedresult", None)
    if not isinstance(extended, int) or not extended:
        # Not SQLite's own words: a value that could not be bound, perhaps in a class of PEP 249 by now.
        return _unbindable(error if extended is None else error.__cause__ or error)
    text = str(error)
    if extended & 0xFF == 19:
        return _sqlite_constraint(extended, text, metadata)
    known = _SQLITE.get(extended & 0xFF)
    if known is not None:
        code, message = known
        hint = _ASK_LESS if code == "BST413" else None
        headers = RETRY if code in ("53200", "55P03", "BST503", "PGRST000") else ()
        return DatabaseError(code, message, hint=hint, headers=headers)
    for part, code in _SQLITE_TEXT:
        if part in text:
            return DatabaseError(code, _SAID.get(code, text), hint=_HINTS.get(_SAID.get(code, text)))
    return DatabaseError("XX000", "the database could not run the statement")


def no_room() -> DatabaseError:
    """A statement was stopped because of what it takes by itself: it will not do better the next time."""
    return DatabaseError("BST413", "the statement takes too much memory", hint=_ASK_LESS)


def _unbindable(error: BaseException) -> DatabaseError:
    if isinstance(error, OverflowError):
        return DatabaseError("22003", "bigint out of range")
    if isinstance(error, UnicodeError):
        return DatabaseError("22021", 'invalid byte sequence for encoding "UTF8"')
    return DatabaseError("XX000", "the database could not run the statement")


def _sqlite_constraint(extended: int, text: str, metadata: MetaData | None) -> DatabaseError:
    if extended == _SQLITE_TRIGGER:
        return DatabaseError("P0001", text)
    if extended == _SQLITE_DATATYPE:
        return DatabaseError("22P02", "the value does not have the type of the column")
    code = _SQLITE_CONSTRAINT.get(extended, "23000")
    subject = text.partition(" failed: ")[2]
    if code == CHECK:
        return broken_constraint(_check_violation(subject, metadata))
    if code in (UNIQUE, NOT_NULL) and subject:
        return broken_constraint(_column_violation(code, subject, metadata))
    return broken_constraint(Violation(code))


def _check_violation(name: str, metadata: MetaData | None) -> Violation:
    """SQLite names the constraint, or shows its text when it has no name, which stays inside.

    It does not name the table, and several may have a constraint of one name.
    """
    tables = [
        table.name
        for table in (metadata.tables.values() if metadata is not None else ())
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint) and constraint.name == name
    ]
    if len(tables) == 1:
        return Violation(CHECK, tables[0], constraint=name)
    return Violation(CHECK, constraint=name if re.fullmatch(r"\w+", name) else None)


def _column_violation(code: str, subject: str, metadata: MetaData | None) -> Violation:
    """*subject* is ``posts.id, posts.day``, or ``index 'name'`` for an index on expressions."""
    index = re.fullmatch(r"index '(.*)'", subject)
    if index is not None:
        return _index_violation(index[1], metadata)
    first = subject.split(", ")[0]
    table_name = _table_prefix(first, metadata)
    columns = tuple(part[len(table_name) + 1 :] for part in subject.split(", "))
    table = _find_table(table_name, metadata)
    constraint = None if code == NOT_NULL else unique_name(table_name, columns, table)
    return Violation(code, table_name, columns, constraint)


def _table_prefix(qualified: str, metadata: MetaData | None) -> str:
    # A table name may hold a dot: the longest known table that fits wins.
    known = [t.name for t in metadata.tables.values() if qualified.startswith(t.name + ".")] if metadata else []
    return max(known, key=len) if known else qualified.partition(".")[0]


def _find_table(name: str, metadata: MetaData | None) -> Table | None:
    return next((t for t in metadata.tables.values() if t.name == name), None) if metadata is not None else None


def _index_violation(name: str, metadata: MetaData | None) -> Violation:
    for table in metadata.tables.values() if metadata is not None else ():
        for index in table.indexes:
            if index.name == name:
                return Violation(UNIQUE, table.name, tuple(c.name for c in index.columns), name)
    return Violation(UNIQUE, constraint=name)


def unique_name(table_name: str, columns: tuple[str, ...], table: Table | None) -> str:
    """The name in the metadata, else the one PostgreSQL would have made."""
    if table is not None:
        if _names(table.primary_key.columns) == columns:
            return _text(table.primary_key.name) or f"{table_name}_pkey"
        for constraint in table.constraints:
            if isinstance(constraint, UniqueConstraint) and _names(constraint.columns) == columns:
                return _text(constraint.name) or f"{table_name}_{'_'.join(columns)}_key"
        for index in table.indexes:
            # SQLite names an index on expressions itself; its ``columns`` are those inside the expressions.
            if index.unique and index.name and _names(index.expressions) == columns:
                return str(index.name)
    return f"{table_name}_{'_'.join(columns)}_key"


def foreign_key_name(constraint: ForeignKeyConstraint) -> str:
    """The constraint's name, else the one PostgreSQL would have made: ``posts_author_id_fkey``."""
    return _text(constraint.name) or f"{constraint.table.name}_{'_'.join(constraint.column_keys)}_fkey"


def _names(columns: Iterable[Any]) -> tuple[str | None, ...]:
    return tuple(column.name if isinstance(column, Column) else None for column in columns)


def _text(name: Any) -> str | None:
    return str(name) if isinstance(name, str) and name else None


# -- PostgreSQL -------------------------------------------------------------------------------------------------------

_REFERENCED: Final = re.compile(r'is not present in table "(.+)"|is still referenced from table "(.+)"')
_KEY: Final = re.compile(r"Key \((.*?)\)=")


#: The server has ended, or is ending, the connection (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_ENDED: Final = frozenset(("25P03", "57P01", "57P02", "57P03", "57P04", "57P05"))

#: What asyncpg says by itself, by the name of a class, where the connection is of no use any more.  It says so of a
#: dead connection when it is asked for the next statement, before anything is sent.
_UNUSABLE: Final = frozenset(("InternalClientError", "FatalPostgresError"))

#: What of PostgreSQL refuses a text for its length: ``sql/postgresql.py`` has it refuse an answer, and what is too long
#: for any text is so for an answer.
_LENGTHS: Final = frozenset(("repeat", "enlargeStringInfo"))

#: Where PostGIS reads what it is given.  It says of a malformed geometry that it is an internal error.
_READS_GEOMETRIES: Final = frozenset(("lwgeom_pg.c", "lwgeom_inout.c", "geography_inout.c"))


def from_postgresql(error: BaseException) -> BackstayError:
    """The `BackstayError` that *error*, raised by asyncpg, stands for.

    A lost connection is PGRST001, a server that cannot be reached PGRST000: both 503.
    """
    if isinstance(error, BackstayError):
        return error
    state = getattr(error, "sqlstate", None)
    if not isinstance(state, str):
        return _not_from_the_server(error)
    message = getattr(error, "message", None) or str(error)
    # asyncpg refuses an argument before the server sees it: the class is 22000, and only the text says more.
    if state == "22000" and message.startswith("invalid input for query argument"):
        return _refused_argument(message)
    if state.startswith("23"):
        return _postgresql_constraint(state, message, error)
    if state == CHECK_OPTION:
        # Its detail is the row of the table below, with the columns that the view leaves out.
        view = re.search(r'"(.+)"$', message)
        return ConstraintError(message, Violation(state, view[1] if view else None))
    if state.startswith("42"):
        return _postgresql_names(state, message, error)
    if state == "XX000" and getattr(error, "server_source_filename", None) in _READS_GEOMETRIES:
        state = "22P02"
    if state == "54000" and getattr(error, "server_source_function", None) in _LENGTHS:
        return DatabaseError("BST413", _SQLITE[18][1], hint=_ASK_LESS)
    if state == "25P04":  # the server's own bound of a transaction
        return DatabaseError("57014", TIMEOUT_MESSAGE)
    if state in _ENDED and state != "57P01":
        # Whoever waits for an answer can do no better than to ask again.
        return DatabaseError("PGRST001", "the connection to the database was lost", headers=RETRY)
    if state == "57P01":
        return DatabaseError(state, message, headers=RETRY)
    if state == "PGRST":
        return raised(message, getattr(error, "detail", None))
    return DatabaseError(
        state,
        message,
        details=getattr(error, "detail", None),
        hint=getattr(error, "hint", None),
        # A view or a function whose sub-query gives too many rows is its author's to mend, not the client's.
        status=500 if state == "21000" and "used as an expression" in message else None,
        headers=RETRY if state.startswith(("08", "53")) or state == "55P03" else (),
    )


def _postgresql_names(state: str, message: str, error: BaseException) -> DatabaseError:
    hint, detail = getattr(error, "hint", None), getattr(error, "detail", None)
    if state in ("42703", "42P01") or (hint or "").startswith("Perhaps you meant"):
        # They name the column that was perhaps meant, and that one may be hidden (AC12).
        hint = detail = None
    if state == "42883":
        # Values travel as text of a type; what the client wrote had none.
        message = re.sub(r"(operator does not exist: .* )character varying$", r"\1unknown", message)
    return DatabaseError(state, message, details=detail, hint=hint or _HINTS.get(message))


def is_unusable(error: BaseException) -> bool:
    """Whether asyncpg refused a statement, unsent, because of what has become of the connection."""
    if getattr(error, "sqlstate", None):
        return False
    names = {kind.__name__ for kind in type(error).__mro__}
    said = str(error).lower()
    # An InterfaceError may also be a wrong use of the driver, which is a bug of ours.
    return not names.isdisjoint(_UNUSABLE) or (
        "InterfaceError" in names and ("connection" in said or "operation is in progress" in said)
    )


def _not_from_the_server(error: BaseException) -> DatabaseError:
    if isinstance(error, TimeoutError):
        return DatabaseError("57014", TIMEOUT_MESSAGE)
    if isinstance(error, ConnectionError | EOFError) or is_unusable(error):
        return DatabaseError("PGRST001", "the connection to the database was lost", headers=RETRY)
    if isinstance(error, OSError):
        return DatabaseError("PGRST000", "the database cannot be reached", headers=RETRY)
    if isinstance(error, UnicodeError):
        return DatabaseError("22021", 'invalid byte sequence for encoding "UTF8"')
    return DatabaseError("XX000", "the database could not run the statement")


def _refused_argument(message: str) -> DatabaseError:
    # asyncpg's text quotes the value and a Python reason; neither is for the client.
    if "out of" in message and "range" in message:
        return DatabaseError("22003", "value out of range")
    return DatabaseError("22P02", "invalid input syntax: the value does not have the type of the column")


def _postgresql_constraint(state: str, message: str, error: BaseException) -> ConstraintError:
    detail = getattr(error, "detail", None) or ""
    column = getattr(error, "column_name", None)
    key = _KEY.match(detail)
    other = _REFERENCED.search(detail)
    still = "is still referenced" in detail
    columns = (column,) if column else tuple(key[1].split(", ")) if key else ()
    table = getattr(error, "table_name", None)
    referred = (other[1] or other[2]) if other else None
    if still:
        # PostgreSQL names the child as the table of the constraint; the statement was on the parent.
        parent = re.search(r'update or delete on table "(.+?)" violates', message)
        table, referred = (parent[1] if parent else None), table
    constraint, schema = getattr(error, "constraint_name", None), getattr(error, "schema_name", None)
    violation = Violation(state, table, columns, constraint, referred, still, schema)
    return ConstraintError(message, violation, secret_details=detail or None)

"""A broken constraint, in PostgreSQL's words and without values.

A constraint that breaks never carries values by itself (AC5, AC6, ER2): `ConstraintError.details` is ``None``, and only
`details_of` gives the sentence with the key, to a caller that has checked that the row may be seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from backstay.errors import DatabaseError

UNIQUE: Final = "23505"
FOREIGN_KEY: Final = "23503"
NOT_NULL: Final = "23502"
CHECK: Final = "23514"
#: A row that its view would not show (``WITH CHECK OPTION``).
CHECK_OPTION: Final = "44000"


@dataclass(frozen=True, slots=True)
class Violation:
    """Which constraint broke, without any value.

    *columns* are of *table*; *referred* is the other table of a foreign key.  *still_referenced* is the case of a
    parent that still has children: *table* is then the parent and *referred* the child table.
    """

    code: str
    table: str | None = None
    columns: tuple[str, ...] = ()
    constraint: str | None = None
    referred: str | None = None
    still_referenced: bool = False
    #: The schema of the table that has the constraint, where the database tells it: two may have tables of one name.
    schema: str | None = None


class ConstraintError(DatabaseError):
    """A constraint refused the row: 23505, 23503, 23502, 23514, another of class 23, or 44000."""

    def __init__(self, message: str, violation: Violation, *, secret_details: str | None = None) -> None:
        super().__init__(violation.code, message)
        self.violation = violation
        #: The database's own sentence with values in it; read it through `details_of` only.
        self.secret_details = secret_details
        #: Whether it says what its caller may know, and no more.
        self.told = False


def details_of(error: ConstraintError, values: Mapping[str, Any] | None = None) -> str | None:
    """The sentence with the key's values, for a caller who may see them.

    *values* are the row as the client sent it, by column name; SQLite does not tell them.

    >>> broken = ConstraintError("…", Violation(UNIQUE, "posts", ("id",), "posts_pkey"))
    >>> details_of(broken, {"id": 1})
    'Key (id)=(1) already exists.'
    >>> details_of(broken) is None
    True
    """
    if error.secret_details is not None:
        return error.secret_details
    broken = error.violation
    if values is None or not broken.columns or any(name not in values for name in broken.columns):
        return None
    key = f"Key ({', '.join(broken.columns)})=({', '.join(str(values[name]) for name in broken.columns)})"
    if broken.code == UNIQUE:
        return f"{key} already exists."
    if broken.code == FOREIGN_KEY and broken.referred is not None:
        if broken.still_referenced:
            return f'{key} is still referenced from table "{broken.referred}".'
        return f'{key} is not present in table "{broken.referred}".'
    return None


def broken_constraint(violation: Violation, *, secret_details: str | None = None) -> ConstraintError:
    """The error of *violation* in PostgreSQL's words.

    >>> print(broken_constraint(Violation(NOT_NULL, "posts", ("body",))))
    23502: null value in column "body" of relation "posts" violates not-null constraint
    """
    error = ConstraintError(_sentence(violation), violation, secret_details=secret_details)
    # What names nothing tells nothing.
    error.told = violation == Violation(violation.code)
    return error


def _sentence(broken: Violation) -> str:
    named = f' "{broken.constraint}"' if broken.constraint else ""
    match broken.code:
        case "23505":
            return f"duplicate key value violates unique constraint{named}"
        case "23502":
            column = broken.columns[0] if broken.columns else ""
            return f'null value in column "{column}" of relation "{broken.table}" violates not-null constraint'
        case "23514":
            relation = f' for relation "{broken.table}"' if broken.table else ""
            return f"new row{relation} violates check constraint{named}"
        case "44000":
            return "new row violates check option for view" + (f' "{broken.table}"' if broken.table else "")
        case "23503":
            if broken.table is None:
                return f"a row violates foreign key constraint{named}"
            if broken.still_referenced:
                return (
                    f'update or delete on table "{broken.table}" violates foreign key constraint{named}'
                    f' on table "{broken.referred}"'
                )
            return f'insert or update on table "{broken.table}" violates foreign key constraint{named}'
    return f"a row violates constraint{named}"

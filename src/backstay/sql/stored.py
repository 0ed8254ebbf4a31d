"""Columns of a SQLite file that is not ours: whatever a row holds is shown, and shown as what it is.

1. A value of the declared type is shown as that type: 1 in a BOOLEAN column is ``true``.
2. Any other value is shown as it is stored: text as text, a number as a number, bytes as ``\\x…``.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from backstay.catalog import family_of
from backstay.sql.dialect import Expression, Typed

_INTEGER = sa.literal_column("'integer'", sa.Text())
_BLOB = sa.literal_column("'blob'", sa.Text())


def stored_value(typed: Typed) -> Expression:
    """The value of an `AsStored` column, ready to stand in JSON; never an error."""
    value = typed.expression
    plain = _shown(value)
    match family_of(typed.type):
        case "boolean":
            kind: Expression = sa.func.typeof(value)
            words: list[tuple[Any, Any]] = [
                (sa.and_(kind == _INTEGER, value == sa.literal_column(number)), sa.literal_column(f"'{word}'"))
                for number, word in (("1", "true"), ("0", "false"))
            ]
            return sa.func.json(sa.case(*words, else_=sa.func.json_quote(plain)))
        case "json" | "array":
            return sa.func.json(sa.case((_is_json(value), value), else_=sa.func.json_quote(plain)))
        case _:
            return plain


def stored_document(typed: Typed) -> Expression:
    """The column's JSON for a path into it: NULL where it holds none."""
    return sa.case((_is_json(typed.expression), typed.expression))


def _shown(value: Expression) -> Expression:
    hexadecimal = sa.literal_column("'\\x'", sa.Text()).concat(sa.func.lower(sa.func.hex(value)))
    return sa.case((sa.func.typeof(value) == _BLOB, hexadecimal), else_=value)


def _is_json(value: Expression) -> Expression:
    # 6: text with or without JSON5's liberties, or SQLite's own binary form.
    return sa.func.json_valid(value, sa.literal_column("6")) == sa.literal_column("1")

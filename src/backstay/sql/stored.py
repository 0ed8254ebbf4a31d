"""Columns of a SQLite file that is not ours: whatever a row holds is shown, and shown as what it is.

1. A value of the declared type is shown as that type: 1 in a BOOLEAN column is ``true``.
2. Any other value is shown as it is stored: text as text, a number as a number, bytes as ``\\x…``.
3. A timestamp's blank between day and time is SQLite's way to write PostgreSQL's ``T``.
"""

from __future__ import annotations

import re
from typing import Any, Final

import sqlalchemy as sa

from backstay.catalog import family_of
from backstay.catalog.opaque import StoredMoment
from backstay.sql.dialect import Expression, Typed

_INTEGER = sa.literal_column("'integer'", sa.Text())
_BLOB = sa.literal_column("'blob'", sa.Text())
_BLANK: Final = sa.literal_column("'[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9]*'", sa.Text())
_BLANK_TEXT: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}) (?=[0-9])", re.ASCII)


def stored_value(typed: Typed) -> Expression:
    """The value of an `AsStored` column, ready to stand in JSON; never an error."""
    value = typed.expression
    plain = _shown(value)
    if isinstance(typed.type, StoredMoment):
        return moment(value, plain)
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


def moment(value: Expression, other: Expression) -> Expression:
    """A timestamp with its ``T``; *other* where *value* is none."""
    day, time = sa.func.substr(value, _at("1"), _at("10")), sa.func.substr(value, _at("12"))
    written = day.concat(sa.literal_column("'T'", sa.Text())).concat(time)
    return sa.case((value.op("GLOB", is_comparison=True, return_type=sa.Boolean())(_BLANK), written), else_=other)


def moment_text(text: str) -> str:
    """A client's timestamp as `moment` writes one.

    >>> moment_text("2024-01-01 02:03:04"), moment_text("2024-01-01")
    ('2024-01-01T02:03:04', '2024-01-01')
    """
    return _BLANK_TEXT.sub(r"\1T", text.strip(), count=1)


def _at(place: str) -> Expression:
    return sa.literal_column(place, sa.Integer())


def stored_document(typed: Typed) -> Expression:
    """The column's JSON for a path into it: NULL where it holds none."""
    return sa.case((_is_json(typed.expression), typed.expression))


def _shown(value: Expression) -> Expression:
    hexadecimal = sa.literal_column("'\\x'", sa.Text()).concat(sa.func.lower(sa.func.hex(value)))
    return sa.case((sa.func.typeof(value) == _BLOB, hexadecimal), else_=value)


def _is_json(value: Expression) -> Expression:
    # 6: text with or without JSON5's liberties, or SQLite's own binary form.
    return sa.func.json_valid(value, sa.literal_column("6")) == sa.literal_column("1")

"""Values that are canonical as they come: most of those that clients write, told without being read.

What depends on the column alone is settled when its `quick` is made; a value that it does not know goes the whole way
(``plan/value.py``), so that nothing is let through here that would be refused there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from backstay.catalog import Column, integer_bound
from backstay.plan.moment import trimmed

#: (text for PostgreSQL, stored value for SQLite), see ``plan/value.py``.
Pair: TypeAlias = tuple[str | None, Any]
Convert: TypeAlias = Callable[[Any], Pair]

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


def quick(column: Column, slow: Convert) -> Convert:
    """*slow*, the conversion for *column*, behind a look at whether it is needed."""
    match column.family:
        case "text":
            return _text(getattr(column.type, "length", None), slow)
        case "uuid":
            return _uuid(slow)
        case "integer":
            return _integer(integer_bound(column.type), slow)
        case "boolean":
            return _boolean(slow)
        case "timestamptz":
            return _moment(slow)
        case _:
            return slow


# ``type(value) is str`` and not ``isinstance``: a member of a text enum is one, and is written by its name.


def _text(length: Any, slow: Convert) -> Convert:
    most = length if isinstance(length, int) else None

    def convert(value: Any) -> Pair:
        if type(value) is str and "\x00" not in value and (most is None or len(value) <= most):
            return value, value
        return slow(value)

    return convert


def _uuid(slow: Convert) -> Convert:
    def convert(value: Any) -> Pair:
        if type(value) is str and _UUID(value):
            return value, value
        if type(value) is UUID:
            text = str(value)
            return text, text
        return slow(value)

    return convert


def _integer(bound: int, slow: Convert) -> Convert:
    def convert(value: Any) -> Pair:
        if type(value) is int and -bound <= value < bound:
            return str(value), value
        return slow(value)

    return convert


def _boolean(slow: Convert) -> Convert:
    def convert(value: Any) -> Pair:
        if value is True:
            return "true", 1
        if value is False:
            return "false", 0
        return slow(value)

    return convert


def _moment(slow: Convert) -> Convert:
    def convert(value: Any) -> Pair:
        if type(value) is datetime and value.tzinfo is UTC:
            text = trimmed(value)
            return text, text
        return slow(value)

    return convert

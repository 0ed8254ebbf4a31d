"""The rows of a model that a function returned: taken, looked at and named by their keys, a bounded number of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa

from backstay.catalog import Function
from backstay.catalog.annotation import members_of
from backstay.errors import RequestError
from backstay.response.value import WrongResult

#: Rows of a model that a function may return; which of them are shown, the query says.
ROWS: Final = 10_000
#: Rows that are gone through on the event loop: a tenth of a millisecond.
_FEW: Final = 200


def are_many(rows: Any) -> bool:
    """Whether going through *rows* may take long; nobody knows of what is made while it is gone through."""
    if isinstance(rows, list | tuple | set | frozenset):
        return len(rows) > _FEW
    return isinstance(rows, Iterable)


def taken(function: Function, result: Any) -> Any:
    """*result*, with rows that a function makes while they are gone through made where it runs."""
    return list(islice(result, ROWS + 1)) if function.result == "rows" and isinstance(result, Iterator) else result


def rows_of(function: Function, result: Any) -> list[Any]:
    """The rows that *function* returned, which are of its model or a bug.

    Raises:
        WrongResult: something else is among them.
        RequestError: BST413, when there are more than `ROWS`; no more are taken.
    """
    wanted: Any = function.model
    if function.result == "row":
        found = [] if result is None and type(None) in members_of(function.result_type) else [result]
    else:
        found = list(islice(result, ROWS + 1)) if isinstance(result, Iterable) else [None]
    if len(found) > ROWS:
        raise RequestError(
            "BST413", f"The function returned more than {ROWS} rows", hint="Ask for fewer, by what it takes."
        )
    strange = next((row for row in found if not isinstance(row, wanted)), wanted)
    if strange is not wanted:
        what = type(strange if isinstance(result, Iterable) else result).__name__
        raise WrongResult(f"the function {function.name} returned a {what} that is not of {function.result_type}")
    return found


def keys_of(function: Function, rows: Sequence[Any]) -> list[Mapping[str, Any]]:
    """The primary keys of *rows*, by the names of their columns."""
    mapper: Any = sa.inspect(function.model)
    names = [column.name for column in mapper.primary_key]
    return [dict(zip(names, mapper.primary_key_from_instance(row), strict=True)) for row in rows]

"""Whether an error of the database may depend on which row it came upon first (S2).

Where rows lie is no secret of one row, but it moves with hidden changes.  So an error may tell of a row only where rows
have an order of ours by then, as those of a page have when their values are cast.  These are asked of rows in whatever
order they are found:

1. a computed field, wherever it stands: its value may be needed to choose the page;
2. a cast beside an aggregate: of what is aggregated, of what makes the groups, or of what an aggregate gives;
3. a search, which reads a whole text;
4. a path into JSON, or an order by it, where a text in it cannot be told: values of clients cannot be read either, and
   of them the error must say so.

Of these only that is told (`uncomputed`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from backstay.errors import DatabaseError, RequestError
from backstay.request import QueryLimits, parse_query
from backstay.request.field import Field
from backstay.request.filters import SEARCH, Filter
from backstay.request.logic import Condition
from backstay.request.select import ColumnItem, Embed, Item


def tells_first(error: DatabaseError, query_text: str, computed: Collection[str], limits: QueryLimits) -> bool:
    """Whether *error*, of a request with *query_text*, may tell which row was found first.

    *computed* are the names of all computed fields.
    """
    if not error.code.startswith(("22", "54")):
        return False
    try:
        query = parse_query(query_text, arguments=frozenset(), limits=limits).query
    except RequestError:
        # An argument of a function that looks like a filter.
        return True
    filters = [leaf for _, condition in query.conditions for leaf in _leaves(condition)]
    columns = list(_columns(query.items))
    ordered = [term.field for _, terms in query.orders for term in terms]
    fields = [*(leaf.field for leaf in filters), *ordered, *(item.field for item in columns if item.field is not None)]
    if any(field.name in computed for field in fields) or any(leaf.op in SEARCH for leaf in filters):
        return True
    if any(map(_is_aggregate, columns)) and any(item.cast or item.aggregate_cast for item in columns):
        return True
    untold = error.code == "22P05" or (error.details or "").startswith("Unicode")
    return untold and bool(ordered or any(field.path for field in fields))


def uncomputed() -> DatabaseError:
    """22000: a computed field, or a cast, has no value for some row."""
    return DatabaseError(
        "22000",
        "a value cannot be computed for one of the rows",
        hint="Filter by the columns that it is made of, or correct the row.",
    )


def _leaves(condition: Condition) -> Iterator[Filter]:
    waiting = [condition]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Filter):
            yield found
        else:
            waiting.extend(found.terms)


def _columns(items: Collection[Item]) -> Iterator[ColumnItem]:
    waiting = list(items)
    while waiting:
        item = waiting.pop()
        if isinstance(item, ColumnItem):
            yield item
        elif isinstance(item, Embed):
            waiting.extend(item.items)


def _is_aggregate(item: ColumnItem) -> bool:
    return item.aggregate is not None or item.field == Field("count")

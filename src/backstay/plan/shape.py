"""A request without its values: the key under which its plan is remembered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from backstay.request.filters import Slot
from backstay.request.logic import Condition, Logic
from backstay.request.page import Page
from backstay.request.read import Query

_SIZES: Final = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 20, 24, 25, 30, 40, 50, 60, 80, 100, 200, 500, 1000)
#: Limits that are part of a shape.  Few, so that they do not multiply the plans.  A page by key looks for one row more.
USUAL_LIMITS: Final = frozenset((*_SIZES, *(size + 1 for size in _SIZES)))


def shape_of(query: Query) -> tuple[Query, tuple[Any, ...]]:
    """Take the values out of *query*: what is left is its shape, with a `Slot` for each of them.

    The values are text, tuples of text, or the integers of pages, in the order of the slots.  Usual page sizes stay:
    PostgreSQL plans a prepared statement once for all values, and with a limit that it does not know it sorts the whole
    table where an index would give the first twenty rows.

    >>> from backstay.request.field import Field
    >>> from backstay.request.filters import Filter
    >>> shape, values = shape_of(Query(conditions=(((), Filter(Field("id"), "eq", "7")),)))
    >>> shape.conditions[0][1].value, values
    (Slot(index=0), ('7',))
    """
    values: list[Any] = []

    def slot(value: Any) -> Slot:
        values.append(value)
        return Slot(len(values) - 1)

    def condition(term: Condition) -> Condition:
        if isinstance(term, Logic):
            return Logic(term.kind, tuple(condition(t) for t in term.terms), term.negated)
        # What follows ``is`` is a word of the grammar, not a value.
        return term if term.op == "is" else replace(term, value=slot(term.value))

    def page(asked: Page) -> Page:
        limit = asked.limit if asked.limit is None or asked.limit in USUAL_LIMITS else slot(asked.limit)
        return Page(limit, slot(asked.offset) if asked.offset else 0)

    shape = replace(
        query,
        conditions=tuple((path, condition(term)) for path, term in query.conditions),
        pages=tuple((path, page(asked)) for path, asked in query.pages),
    )
    return shape, tuple(values)

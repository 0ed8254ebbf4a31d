"""A request without its values: the key under which its plan is remembered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from backstay.request.filters import Slot
from backstay.request.logic import Condition, Logic
from backstay.request.page import Page
from backstay.request.read import Query


def shape_of(query: Query) -> tuple[Query, tuple[Any, ...]]:
    """Take the values out of *query*: what is left is its shape, with a `Slot` for each of them.

    The values are text, tuples of text, or the integers of pages, in the order of the slots.

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
        return Page(None if asked.limit is None else slot(asked.limit), slot(asked.offset) if asked.offset else 0)

    shape = replace(
        query,
        conditions=tuple((path, condition(term)) for path, term in query.conditions),
        pages=tuple((path, page(asked)) for path, asked in query.pages),
    )
    return shape, tuple(values)

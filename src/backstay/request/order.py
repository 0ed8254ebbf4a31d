"""The ``order`` parameter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from backstay.errors import RequestError
from backstay.request.field import Field, render_field, scan_field
from backstay.request.limits import DEFAULT_QUERY_LIMITS, QueryLimits
from backstay.request.name import render_name
from backstay.request.syntax import malformed, over_limit


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """``field.desc.nullslast``, or ``relation(field).desc`` for a column of a to-one embed.

    *nulls* is ``None`` where the client did not say; PostgreSQL's default then holds on every database
    (last when ascending, first when descending).
    """

    field: Field
    relation: str | None = None
    descending: bool = False
    nulls: Literal["first", "last"] | None = None


_TAIL = re.compile(r"[ \t]*+(?:\.(asc|desc))?(?:\.nulls(first|last))?[ \t]*+(?:\Z|(,))")

_BEGUN = re.compile(r"(\.(?:asc|desc))?(\.nulls(?:first|last))?")


def parse_order(text: str, limits: QueryLimits = DEFAULT_QUERY_LIMITS) -> tuple[OrderTerm, ...]:
    """Read the value of ``order``.

    >>> parse_order("year.desc.nullslast")
    (OrderTerm(field=Field(name='year', path=()), relation=None, descending=True, nulls='last'),)

    Raises:
        RequestError: PGRST100, when it is malformed, empty, or over *limits*.
    """
    terms: list[OrderTerm] = []
    at = 0
    while True:
        relation: str | None = None
        field, at = scan_field(text, at, "order", limits)
        if text.startswith("(", at) and not field.path:
            relation = field.name
            field, at = scan_field(text, at + 1, "order", limits)
            if not text.startswith(")", at):
                raise malformed("order", text, at, '")"')
            at += 1
        tail = _TAIL.match(text, at)
        if tail is None:
            raise _unfinished(text, at)
        if len(terms) == limits.order_terms:
            raise over_limit("order terms", limits.order_terms, "order_terms")
        direction, nulls, comma = tail.groups()
        terms.append(OrderTerm(field, relation, direction == "desc", cast('Literal["first", "last"] | None', nulls)))
        if comma is None:
            return tuple(terms)
        at = tail.end()


def _unfinished(text: str, at: int) -> RequestError:
    """The error for a term whose column ends at *at*: it tells the first letter behind the last word that is one."""
    begun = cast("re.Match[str]", _BEGUN.match(text, at))
    expecting = '".asc", ".desc", ".nullsfirst", ".nullslast", "," or end of input'
    if begun.end() > at:
        expecting = '"," or end of input' if begun[2] else '".nullsfirst", ".nullslast", "," or end of input'
    hint = "A term is column.desc.nullslast or relation(column).asc."
    mark = "'" if begun[2] else '"'
    return malformed("order", text, begun.end(), expecting, hint=hint, mark=mark)


def render_order(terms: tuple[OrderTerm, ...]) -> str:
    """The value of ``order``, not percent-encoded."""
    return ",".join(map(_render_term, terms))


def _render_term(term: OrderTerm) -> str:
    field = render_field(term.field)
    named = field if term.relation is None else f"{render_name(term.relation)}({field})"
    return named + (".desc" if term.descending else "") + ("" if term.nulls is None else f".nulls{term.nulls}")

"""The way back: the query string that says what a `Query` says, and the canonical form of a query string."""

from __future__ import annotations

from urllib.parse import quote

from backstay.request.field import render_field
from backstay.request.filters import render_operation
from backstay.request.logic import Logic, render_logic
from backstay.request.name import render_name
from backstay.request.order import render_order
from backstay.request.query import split_pairs
from backstay.request.read import Path, Query
from backstay.request.select import Star, render_select


def render_query(query: Query) -> str:
    """The query string that `parse_query` reads as *query*, percent-encoded, without the ``?``.

    >>> from backstay.request.page import Page
    >>> render_query(Query(pages=(((), Page(limit=5)),), on_conflict=("id",)))
    'limit=5&on_conflict=id'

    Raises:
        ValueError: *query* is a shape: it has slots in place of values.
    """
    pairs: list[tuple[str, str]] = []
    if query.items != (Star(),):
        pairs.append(("select", render_select(query.items)))
    for path, condition in query.conditions:
        head = "".join(render_name(name) + "." for name in path)
        if isinstance(condition, Logic):
            word = ("not." if condition.negated else "") + condition.kind
            pairs.append((head + word, render_logic(condition)))
        else:
            pairs.append((head + render_field(condition.field), render_operation(condition)))
    for path, terms in query.orders:
        pairs.append((_reserved(path, "order"), render_order(terms)))
    for path, page in query.pages:
        if page.limit is not None:
            pairs.append((_reserved(path, "limit"), _render_number(page.limit)))
        if page.offset != 0 or page.limit is None:
            pairs.append((_reserved(path, "offset"), _render_number(page.offset)))
    if query.columns is not None:
        pairs.append(("columns", ",".join(map(render_name, query.columns))))
    if query.on_conflict is not None:
        pairs.append(("on_conflict", ",".join(map(render_name, query.on_conflict))))
    return "&".join(f"{_encode(key)}={_encode(value)}" for key, value in pairs)


def _reserved(path: Path, word: str) -> str:
    return "".join(render_name(name) + "." for name in path) + word


def _render_number(number: object) -> str:
    if not isinstance(number, int):
        raise ValueError("a shape has no rows to count")
    return str(number)


def _encode(text: str) -> str:
    return quote(text, safe="*,.:()!-_~>")


def canonical_query(text: str) -> str:
    """The raw query string *text* with its keys in order and everything encoded: what ``Content-Location`` shows.

    >>> canonical_query("select=id,name&limit=1")
    'limit=1&select=id%2Cname'

    Raises:
        RequestError: PGRST100, as `parse_query`.
    """
    pairs = sorted(split_pairs(text), key=lambda pair: pair[0])
    return "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in pairs)

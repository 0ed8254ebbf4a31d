"""The query string, whole: which parameter means what.

1. A parameter is split from its value at the first ``=`` and parameters at ``&`` before anything is decoded; ``+``
   is a space; ``;`` is not a separator.
2. Reserved: ``select``, ``columns``, ``on_conflict``, and every key whose last dotted word is ``order``, ``limit``,
   ``offset``, ``and`` or ``or``.  A column of such a name is filtered as ``"order"=eq.1``.
3. A reserved parameter may stand once (``and``/``or`` excepted): two would let a proxy and us read different things.
4. A key without ``=`` is refused: ``DELETE /posts?id`` must not mean every post.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import cast
from urllib.parse import unquote_to_bytes

from backstay.errors import RequestError
from backstay.request.field import Field, scan_field
from backstay.request.filters import Slot, is_operation, parse_filter
from backstay.request.limits import DEFAULT_QUERY_LIMITS, QueryLimits
from backstay.request.logic import Condition, Kind, Logic, parse_logic
from backstay.request.name import parse_names, scan_name
from backstay.request.order import OrderTerm, parse_order
from backstay.request.page import Page, parse_limit, parse_offset
from backstay.request.read import Path, Query
from backstay.request.select import Item, Star, parse_select
from backstay.request.syntax import malformed, over_limit


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """A query string: what it says about rows, and the arguments of a function call.

    *arguments* are (name, text) in the order of the query string; a name may stand more than once.
    """

    query: Query
    arguments: tuple[tuple[str, str], ...] = ()


_STAR: tuple[Item, ...] = (Star(),)
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_EMBEDDABLE = frozenset(("order", "limit", "offset", "and", "or"))

#: Longer parameters are not remembered, so that nobody fills the memory with them.
_REMEMBERED_CHARS = 400


def parse_query(
    text: str, *, arguments: frozenset[str] | None = None, limits: QueryLimits = DEFAULT_QUERY_LIMITS
) -> ParsedQuery:
    """Read a raw query string: still percent-encoded, without the ``?``.

    Args:
        text: from bytes by ``decode("utf-8", "surrogateescape")``; what was not UTF-8 is then refused here.
        arguments: for a function called by ``GET``, the names of its parameters.  A key among them is an argument; a
            key that is neither reserved nor among them is a filter if its value is an operator expression or its key
            has a path, and otherwise an argument too, for ``plan/`` to refuse.  ``None`` for everything else.
        limits: what one request may ask for.

    >>> parse_query("select=id&age=gte.18&limit=5").query.pages
    (((), Page(limit=5, offset=0)),)

    Raises:
        RequestError: PGRST100; 22P02 for a malformed list behind ``(any)`` or ``(all)``.
    """
    items = _STAR
    columns: tuple[str, ...] | None = None
    on_conflict: tuple[str, ...] | None = None
    conditions: list[tuple[Path, Condition]] = []
    given: list[tuple[str, str]] = []
    orders: dict[Path, tuple[OrderTerm, ...]] = {}
    pages: dict[Path, Page] = {}
    seen: set[tuple[str, Path]] = set()
    filters = order_terms = 0
    for key, value in split_pairs(text):
        word = key.rpartition(".")[2]
        if word in _EMBEDDABLE:
            path, negated = _embedded(key, limits)
            if word == "and" or word == "or":
                tree, leaves = parse_logic(cast(Kind, word), value, negated=negated, limits=limits)
                filters += leaves
                conditions.append((path, tree))
                if filters > limits.filters:
                    raise over_limit("filters", limits.filters, "filters")
                continue
            if negated:
                raise malformed("tree path", key, key.rfind(".") + 1, "logic operator (and, or)")
            _once(seen, word, path, key)
            if word == "order":
                orders[path] = terms = _parse_order(value, limits)
                order_terms += len(terms)
                if order_terms > limits.order_terms:
                    raise over_limit("order terms", limits.order_terms, "order_terms")
            elif word == "limit":
                before = pages.get(path)
                pages[path] = Page(parse_limit(value), 0 if before is None else before.offset)
            else:
                before = pages.get(path)
                pages[path] = Page(None if before is None else before.limit, parse_offset(value))
        elif key == "select":
            _once(seen, key, (), key)
            # PostgREST takes an empty list for none at all.
            items = _parse_select(value, limits) or _STAR
        elif key == "columns":
            _once(seen, key, (), key)
            columns = _parse_list(value, key, limits)
        elif key == "on_conflict":
            _once(seen, key, (), key)
            on_conflict = _parse_list(value, key, limits)
        elif arguments is not None and (key in arguments or not ("." in key or is_operation(value))):
            given.append((key, value))
        else:
            path, field = _parse_key(key, limits)
            conditions.append((path, parse_filter(field, value, limits)))
            filters += 1
            if filters > limits.filters:
                raise over_limit("filters", limits.filters, "filters")
    if sum(map(_pattern_chars, (condition for _, condition in conditions))) > limits.pattern_chars:
        raise over_limit("characters in patterns", limits.pattern_chars, "pattern_chars")
    query = Query(items, tuple(conditions), tuple(orders.items()), tuple(pages.items()), columns, on_conflict)
    return ParsedQuery(query, tuple(given))


def split_pairs(text: str) -> Iterator[tuple[str, str]]:
    """The keys and values of a raw query string, decoded, in its order.

    Raises:
        RequestError: PGRST100, for a broken percent-encoding, text that is not UTF-8, NUL, or a key without ``=``.
    """
    if not text:
        return
    encoded = "%" in text or "+" in text
    if encoded and (bad := _BAD_PERCENT.search(text)):
        raise malformed(
            "query string", text, bad.start(), "two hexadecimal digits", hint="A per cent sign is written %25."
        )
    if "%00" in text or "\0" in text:
        raise RequestError("PGRST100", "The query string contains a NUL character", hint="Text cannot contain NUL.")
    for pair in text.split("&"):
        if not pair:
            continue
        key, equals, value = pair.partition("=")
        if encoded or not pair.isascii():
            if not key.isidentifier() or not key.isascii():
                key = _decode(key)
            value = _decode(value)
        if not equals:
            raise malformed("query string", key, len(key), '"="', hint="A filter is column=operator.value.")
        yield key, value


def _decode(text: str) -> str:
    try:
        # Lone surrogates are bytes that were not UTF-8 before they came here: encoding them fails.
        return unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeError:
        raise RequestError(
            "PGRST100", "The query string is not valid UTF-8", hint="Percent-encode the bytes of UTF-8 text."
        ) from None


def _pattern_chars(condition: Condition) -> int:
    if isinstance(condition, Logic):
        return sum(map(_pattern_chars, condition.terms))
    value = condition.value
    if condition.op not in ("like", "ilike") or isinstance(value, Slot):
        return 0
    return len(value) if isinstance(value, str) else sum(map(len, value))


def _once(seen: set[tuple[str, Path]], word: str, path: Path, key: str) -> None:
    if (word, path) in seen:
        raise RequestError(
            "PGRST100",
            f'The parameter "{key}" is given more than once',
            hint="select, order, limit, offset, columns and on_conflict may each stand once.",
        )
    seen.add((word, path))


def _parse_list(value: str, key: str, limits: QueryLimits) -> tuple[str, ...]:
    names = parse_names(value, f"{key} parameter")
    if len(names) > limits.select_items:
        raise over_limit(f"names in {key}", limits.select_items, "select_items")
    return names


def _embedded(key: str, limits: QueryLimits) -> tuple[Path, bool]:
    """The path and the ``not.`` before the last word of a reserved *key*."""
    at = key.rfind(".")
    if at < 0:
        return (), False
    path: list[str] = []
    begin = end = 0
    while begin <= at:
        end_of_last = begin
        name, end = scan_name(key, begin, "tree path")
        path.append(name)
        if not key.startswith(".", end):
            raise malformed("tree path", key, end, "delimiter (.)")
        begin = end + 1
    negated = key[end_of_last:end].strip(" \t") == "not"
    if negated:
        path.pop()
    if len(path) > limits.embed_depth:
        raise over_limit("levels of embedding", limits.embed_depth, "embed_depth")
    return tuple(path), negated


def _scan_key(key: str, limits: QueryLimits) -> tuple[Path, Field]:
    """The path and the column of a filter's *key*."""
    path: list[str] = []
    at = 0
    while True:
        field, at = scan_field(key, at, "tree path", limits)
        if at == len(key):
            return tuple(path), field
        if field.path or key[at] != ".":
            raise malformed("tree path", key, at, 'delimiter (.), "->", "->>" or end of input')
        if len(path) == limits.embed_depth:
            raise over_limit("levels of embedding", limits.embed_depth, "embed_depth")
        path.append(field.name)
        at += 1


# An application asks for the same columns in the same order all day; values are never remembered.
_remembered_key = lru_cache(1024)(_scan_key)
_remembered_select = lru_cache(256)(parse_select)
_remembered_order = lru_cache(256)(parse_order)


def _parse_key(key: str, limits: QueryLimits) -> tuple[Path, Field]:
    return _remembered_key(key, limits) if len(key) <= _REMEMBERED_CHARS else _scan_key(key, limits)


def _parse_select(text: str, limits: QueryLimits) -> tuple[Item, ...]:
    return _remembered_select(text, limits) if len(text) <= _REMEMBERED_CHARS else parse_select(text, limits)


def _parse_order(text: str, limits: QueryLimits) -> tuple[OrderTerm, ...]:
    return _remembered_order(text, limits) if len(text) <= _REMEMBERED_CHARS else parse_order(text, limits)

"""The ``select`` parameter: columns, aggregates and embeds, as a tree.

1. ``:`` makes an alias, ``::`` a cast.
2. ``count()`` counts rows.  A bare ``count`` is a column of that name; what it means where there is none is for
   ``plan/`` to say (PostgREST once took it for ``count(*)``).
3. ``inner`` and ``left`` behind ``!`` are joins; a relation or constraint of such a name is written in quotes.
4. Text behind a complete list is refused, where PostgREST ignores it.
5. ``rel()`` is a join without output; an empty ``select=`` is none, and means every column.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from backstay.request.field import Field, render_field, scan_steps
from backstay.request.limits import DEFAULT_QUERY_LIMITS, QueryLimits
from backstay.request.name import render_name, scan_name
from backstay.request.syntax import malformed, over_limit

Aggregate: TypeAlias = Literal["sum", "avg", "count", "min", "max"]
Join: TypeAlias = Literal["inner", "left"]


@dataclass(frozen=True, slots=True)
class Star:
    """``*``: every column that the caller may always see."""


@dataclass(frozen=True, slots=True)
class ColumnItem:
    """``alias:field::cast.aggregate()::aggregate_cast``.

    ``count()`` without a column is a ``ColumnItem`` whose *field* is ``None`` and whose *aggregate* is ``count``.
    """

    field: Field | None
    alias: str | None = None
    cast: str | None = None
    aggregate: Aggregate | None = None
    aggregate_cast: str | None = None


@dataclass(frozen=True, slots=True)
class Embed:
    """``alias:relation!hint!inner(items)``, or ``...relation(items)`` when *spread*."""

    relation: str
    items: tuple[Item, ...]
    alias: str | None = None
    hint: str | None = None
    join: Join | None = None
    spread: bool = False


Item: TypeAlias = Star | ColumnItem | Embed

_STAR = re.compile(r"[ \t]*+\*[ \t]*+(?=[,)]|\Z)")
_SPREAD = re.compile(r"[ \t]*+\.\.\.")
_COUNT = re.compile(r"[ \t]*+count[ \t]*+\Z")
_CLOSE = re.compile(r"[ \t]*+\)")
# numeric(10,2), timestamp(3) with time zone, text[].  Possessive throughout: a type never ends in more than one place.
_TYPE = (
    r"[ \t]*+([\w$][\w $]*+(?:\([ ]*+[0-9]{1,9}[ ]*+(?:,[ ]*+-?[0-9]{1,9}[ ]*+)?\)[\w $]*+)?(?:\[[0-9]{0,9}\])*)"
    r"[ \t]*+"
)
_TAIL = re.compile(rf"(?:::{_TYPE})?(?:\.(sum|avg|count|min|max)\(\)[ \t]*+(?:::{_TYPE})?)?(?=[,)]|\Z)")
_COUNT_TAIL = re.compile(rf"\(\)[ \t]*+(?:::{_TYPE})?(?=[,)]|\Z)")

#: An embed whose items are still being read: relation, alias, hint, join, spread, and the list it stands in.
_Open: TypeAlias = tuple[str, str | None, str | None, Join | None, bool, list[Item]]


def parse_select(text: str, limits: QueryLimits = DEFAULT_QUERY_LIMITS) -> tuple[Item, ...]:
    """Read the value of ``select``.

    >>> parse_select("id,author:users!inner(*)")[1]
    Embed(relation='users', items=(Star(),), alias='author', hint=None, join='inner', spread=False)
    >>> parse_select("")
    ()

    Raises:
        RequestError: PGRST100, when it is malformed or over *limits*.
    """
    if not text.strip(" \t"):
        return ()
    items: list[Item] = []
    stack: list[_Open] = []
    at = count = embeds = 0
    while True:
        if count == limits.select_items:
            raise over_limit("items in select", limits.select_items, "select_items")
        count += 1
        star = _STAR.match(text, at)
        if star is not None:
            items.append(Star())
            at = star.end()
        else:
            item, at = _scan_item(text, at, items, limits)
            if isinstance(item, tuple):
                if embeds == limits.embeds:
                    raise over_limit("embedded relations", limits.embeds, "embeds")
                if len(stack) == limits.embed_depth:
                    raise over_limit("levels of embedding", limits.embed_depth, "embed_depth")
                embeds += 1
                stack.append(item)
                items = []
                empty = _CLOSE.match(text, at)
                if empty is None:
                    continue
                at = empty.end() - 1
            else:
                items.append(item)
        while text.startswith(")", at) and stack:
            relation, alias, hint, join, spread, outer = stack.pop()
            outer.append(Embed(relation, tuple(items), alias, hint, join, spread))
            items = outer
            at += 1
            while at < len(text) and text[at] in " \t":
                at += 1
        if at == len(text) and not stack:
            return tuple(items)
        if not text.startswith(",", at):
            raise malformed("select parameter", text, at, '")", "," or end of input' if not stack else '")" or ","')
        at += 1


def _scan_item(text: str, at: int, items: list[Item], limits: QueryLimits) -> tuple[ColumnItem | _Open, int]:
    """One column with all that belongs to it, or the head of an embed up to its parenthesis."""
    what = "select parameter"
    spread = _SPREAD.match(text, at)
    if spread is not None:
        name, at = scan_name(text, spread.end(), what)
        return _scan_embed(text, name, None, at, True, items)
    begin = at
    alias: str | None = None
    name, at = scan_name(text, at, what)
    if text.startswith(":", at) and not text.startswith("::", at):
        alias, begin = name, at + 1
        name, at = scan_name(text, begin, what)
    if at < len(text) and text[at] in "(!":
        if name == "count" and _COUNT.match(text[begin:at]):
            counted = _COUNT_TAIL.match(text, at)
            if counted is None:
                raise malformed(what, text, at, '"()"', hint='A relation called count is written "count"(…).')
            return ColumnItem(None, alias, None, "count", _trim(counted[1])), counted.end()
        return _scan_embed(text, name, alias, at, False, items)
    steps, at = scan_steps(text, at, what, limits)
    tail = _TAIL.match(text, at)
    if tail is None:
        raise malformed(what, text, at, '"->", "->>", "::", ".", ")", "," or end of input')
    first, aggregate, second = tail.groups()
    item = ColumnItem(Field(name, steps), alias, _trim(first), cast("Aggregate | None", aggregate), _trim(second))
    return item, tail.end()


def _trim(type_name: str | None) -> str | None:
    return None if type_name is None else type_name.rstrip(" ")


def _scan_embed(text: str, name: str, alias: str | None, at: int, spread: bool, items: list[Item]) -> tuple[_Open, int]:
    what = "select parameter"
    hint: str | None = None
    join: Join | None = None
    while text.startswith("!", at):
        quoted = text.startswith('"', at + 1)
        param, end = scan_name(text, at + 1, what)
        if param in ("inner", "left") and not quoted:
            if join is not None:
                raise malformed(what, text, at, '"("', hint="An embed has one join: !inner or !left.")
            join = cast(Join, param)
        elif hint is None:
            hint = param
        else:
            raise malformed(what, text, at, '"("', hint="An embed has one hint.")
        at = end
    if not text.startswith("(", at):
        raise malformed(what, text, at, '"!" or "("')
    return (name, alias, hint, join, spread, items), at + 1


def render_select(items: tuple[Item, ...]) -> str:
    """The value of ``select``, not percent-encoded."""
    return ",".join(map(_render_item, items))


def _render_item(item: Item) -> str:
    match item:
        case Star():
            return "*"
        case ColumnItem():
            alias = "" if item.alias is None else render_name(item.alias) + ":"
            field = "" if item.field is None else render_field(item.field)
            before = "" if item.cast is None else f"::{item.cast}"
            dot = "" if item.field is None else "."
            aggregate = "" if item.aggregate is None else f"{dot}{item.aggregate}()"
            after = "" if item.aggregate_cast is None else f"::{item.aggregate_cast}"
            return alias + field + before + aggregate + after
        case Embed():
            alias = "" if item.alias is None else render_name(item.alias) + ":"
            hint = "" if item.hint is None else "!" + render_name(item.hint)
            join = "" if item.join is None else "!" + item.join
            dots = "..." if item.spread else ""
            return f"{dots}{alias}{render_name(item.relation)}{hint}{join}({render_select(item.items)})"

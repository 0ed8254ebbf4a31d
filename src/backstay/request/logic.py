"""``and=(…)``, ``or=(…)``: trees of conditions.

Read with a stack of its own, so that the depth of a request never is the depth of Python's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from backstay.request.field import render_field, scan_field
from backstay.request.filters import Filter, render_operation, scan_operation
from backstay.request.limits import DEFAULT_QUERY_LIMITS, QueryLimits
from backstay.request.syntax import malformed, over_limit

Kind: TypeAlias = Literal["and", "or"]


@dataclass(frozen=True, slots=True)
class Logic:
    """Conditions joined by *kind*."""

    kind: Kind
    terms: tuple[Condition, ...]
    negated: bool = False


Condition: TypeAlias = Filter | Logic

# A column may be called ``and``, but then a dot follows and not a parenthesis.
_GROUP = re.compile(r"[ \t]*+(not\.)?(and|or)[ \t]*+\(")
_OPEN = re.compile(r"[ \t]*+\(")
_SPACES = re.compile(r"[ \t]*+")

_EXPECTED_TERM = "field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)"


def parse_logic(
    kind: Kind, text: str, *, negated: bool = False, limits: QueryLimits = DEFAULT_QUERY_LIMITS
) -> tuple[Logic, int]:
    """Read what stands behind ``and=`` or ``or=``: the tree, and the number of filters in it.

    >>> tree, filters = parse_logic("or", "(a.eq.1,not.and(b.gt.2,c.is.null))")
    >>> tree.terms[1].negated, tree.terms[1].kind, filters
    (True, 'and', 3)

    Raises:
        RequestError: PGRST100, when it is malformed, empty, or over *limits*.
    """
    text = kind + text
    opened = _OPEN.match(text, len(kind))
    if opened is None:
        raise malformed("logic tree", text, len(kind), '"("', hint=f"Write {kind}=(a.eq.1,b.eq.2).")
    at = opened.end()
    filters = 0
    stack: list[tuple[Kind, bool, list[Condition]]] = [(kind, negated, [])]
    while True:
        group = _GROUP.match(text, at)
        if group is not None:
            if len(stack) == limits.logic_depth:
                raise over_limit("levels of and/or", limits.logic_depth, "logic_depth")
            stack.append((cast(Kind, group[2]), group[1] is not None, []))
            at = group.end()
            continue
        if text.startswith(("(", ")", ","), at):
            raise malformed("logic tree", text, at, _EXPECTED_TERM)
        field, at = scan_field(text, at, "logic tree", limits)
        if not text.startswith(".", at):
            raise malformed("logic tree", text, at, "delimiter (.)", hint="A term is column.operator.value.")
        if filters == limits.filters:
            raise over_limit("filters", limits.filters, "filters")
        condition: Condition
        condition, at = scan_operation(field, text, at + 1, limits)
        filters += 1
        while True:
            stack[-1][2].append(condition)
            if text.startswith(",", at):
                at += 1
                break
            if not text.startswith(")", at):
                raise malformed("logic tree", text, at, '"," or ")"')
            closed, was_negated, terms = stack.pop()
            condition = Logic(closed, tuple(terms), was_negated)
            at = cast("re.Match[str]", _SPACES.match(text, at + 1)).end()
            if not stack:
                # PostgREST reads no further; of what it ignores, only brackets too many cannot mean anything else.
                if text[at:].strip(" \t)"):
                    raise malformed("logic tree", text, at, "end of input")
                return condition, filters


def render_logic(tree: Logic) -> str:
    """The parenthesis behind ``and=`` or ``or=``, not percent-encoded; the tree's own *negated* belongs to the key.

    Raises:
        ValueError: a value is a `Slot`.
    """
    return "(" + ",".join(map(_render_term, tree.terms)) + ")"


def _render_term(term: Condition) -> str:
    if isinstance(term, Logic):
        return ("not." if term.negated else "") + term.kind + render_logic(term)
    return f"{render_field(term.field)}.{render_operation(term, in_logic=True)}"

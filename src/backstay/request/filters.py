"""One condition as written: ``column=not.op(quantifier).value``.

1. In ``column=op.value`` the value is everything behind the operator, as it is.
2. Inside ``and=(…)``/``or=(…)`` a value ends at ``,`` or ``)``, unless it is ``"quoted"`` or a ``{list}``; see
   `scan_operation`.
3. ``in.(…)``: an element is quoted only if its closing quote stands before ``,`` or ``)``; every other ``"`` and
   ``\\`` is itself.  ``in.()`` is the empty list, ``in.("")`` the list of one empty text.
4. ``op(any).{…}``, ``op(all).{…}``: a one-dimensional PostgreSQL array literal without nulls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast

from backstay.errors import RequestError
from backstay.observe.redact import HIDDEN, is_secret_key, redact
from backstay.request.array import parse_list, render_list
from backstay.request.field import Field
from backstay.request.limits import DEFAULT_QUERY_LIMITS, QueryLimits
from backstay.request.name import QUOTED, quote, unescape
from backstay.request.syntax import malformed, over_limit

Quantifier: TypeAlias = Literal["any", "all"]


@dataclass(frozen=True, slots=True)
class Slot:
    """Stands where a value stood: number *index* of the request's values.

    A request whose values are replaced by slots is its *shape*, and the key under which its plan is remembered.
    """

    index: int


#: What a filter compares with: text; a list for ``in`` and for ``any``/``all``; or the slot that stands for either.
Value: TypeAlias = str | tuple[str, ...] | Slot


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition.  *value* is still text: only ``plan/`` knows the column's type.

    For ``is`` the value is one of ``null not_null true false unknown``, lower case, and is part of the shape.
    *language* is the text-search configuration of ``fts(lang)``.
    """

    field: Field
    op: str
    value: Value
    negated: bool = False
    quantifier: Quantifier | None = None
    language: str | None = None


#: Operators that also come as ``op(any)`` and ``op(all)``.
QUANTIFIABLE: Final = frozenset(("eq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch"))
#: Operators that take one text and nothing else.
SIMPLE: Final = QUANTIFIABLE | {"neq", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj", "isdistinct"}
#: Full-text search, with an optional language.
SEARCH: Final = frozenset(("fts", "plfts", "phfts", "wfts"))
OPERATORS: Final = SIMPLE | SEARCH | {"in", "is"}
IS_VALUES: Final = frozenset(("null", "not_null", "true", "false", "unknown"))

_HEAD = re.compile(r"(not\.)?([a-z]++)(?:\(([^()]*+)\))?\.")
_LANGUAGE = re.compile(r"[\w $]+")
_IS = re.compile(r"[ \t]*+([A-Za-z_]++)[ \t]*+")
_OPEN = re.compile(r"[ \t]*+\([ \t]*+")
_CLOSE = re.compile(r"\)[ \t]*+")
_ELEMENT = re.compile(rf"(?:{QUOTED}(?=[,)])|([^,)]*+))", re.DOTALL)
_LOGIC_VALUE = re.compile(rf"(?:{QUOTED}(?=[,)])|(\{{[^{{}}]*+\}}(?=[,)])|[^,)]*+))", re.DOTALL)

_EXPECTED_OPERATOR = "operator (eq, gt, ...)"
_EXPECTED_OPERATION = f'"not" or {_EXPECTED_OPERATOR}'
_HINT_OPERATOR = "A filter is column=operator.value, e.g. age=gte.18, name=not.is.null, id=in.(1,2)."


def _no_operator(field: Field, text: str) -> RequestError:
    """What is said of ``column=value``, with the column, and how it is written.

    ``?password=…`` is a mistake about the API, and its value has no place in an answer that others may log (LG3).  What
    could be no secret, such as ``code=S-1``, is shown.
    """
    hint = f"A filter is column=operator.value: write {field.name[:60]}=eq.VALUE, or not.is.null, in.(1,2), gte.18."
    pair = f"{field.name}={text}"
    if not is_secret_key(field.name) or redact(pair) == pair:
        return malformed("filter", text, 0, _EXPECTED_OPERATION, hint=hint)
    error = malformed("filter", HIDDEN, 0, _EXPECTED_OPERATION, hint=hint)
    error.details = f"unexpected value of '{field.name[:60]}', which is not shown, expecting {_EXPECTED_OPERATION}"
    return error


def is_operation(text: str) -> bool:
    """Whether *text* begins as an operator expression does: what tells a filter from a function's argument.

    >>> is_operation("eq.1"), is_operation("not.in.(1)"), is_operation("hello.world")
    (True, True, False)
    """
    head = _HEAD.match(text)
    return head is not None and head[2] in OPERATORS


def parse_filter(field: Field, text: str, limits: QueryLimits = DEFAULT_QUERY_LIMITS) -> Filter:
    """Read the right-hand side of one ``column=operator.value`` pair.

    >>> parse_filter(Field("age"), "not.gte.18")
    Filter(field=Field(name='age', path=()), op='gte', value='18', negated=True, quantifier=None, language=None)

    Raises:
        RequestError: PGRST100, for a missing or unknown operator or a malformed value; 22P02, for a malformed list
            behind ``(any)`` or ``(all)``.
    """
    head = _HEAD.match(text)
    if head is None or (head[2] not in OPERATORS and is_secret_key(field.name)):
        raise _no_operator(field, text)
    negation, op, option = head.groups()
    at = head.end()
    if option is None and op in SIMPLE:
        return Filter(field, op, text[at:], negation is not None)
    if op == "is" and option is None:
        value, end = _scan_is(text, at, "filter")
    elif op == "in" and option is None:
        values, end = _scan_list(text, at, "filter", limits)
        if end == len(text):
            return Filter(field, op, values, negation is not None)
    else:
        return _with_option(field, head, text[at:], "filter", text, limits)
    if end != len(text):
        raise malformed("filter", text, end, "end of input")
    return Filter(field, op, value, negation is not None)


def scan_operation(field: Field, text: str, at: int, limits: QueryLimits) -> tuple[Filter, int]:
    """Read ``operator.value`` from index *at* of a logic tree: the filter, and the index of the ``,`` or ``)`` behind.

    Raises:
        RequestError: PGRST100 and 22P02, as `parse_filter`.
    """
    head = _HEAD.match(text, at)
    if head is None:
        raise malformed("logic tree", text, at, _EXPECTED_OPERATION, hint=_HINT_OPERATOR)
    negation, op, option = head.groups()
    at = head.end()
    if option is None:
        if op == "is":
            value, at = _scan_is(text, at, "logic tree")
            return Filter(field, op, value, negation is not None), at
        if op == "in":
            values, at = _scan_list(text, at, "logic tree", limits)
            return Filter(field, op, values, negation is not None), at
    found = cast("re.Match[str]", _LOGIC_VALUE.match(text, at))
    quoted, plain = found.groups()
    value = unescape(quoted) if plain is None else plain
    if option is None and op in SIMPLE:
        return Filter(field, op, value, negation is not None), found.end()
    return _with_option(field, head, value, "logic tree", text, limits), found.end()


def _with_option(field: Field, head: re.Match[str], value: str, what: str, text: str, limits: QueryLimits) -> Filter:
    """The filter with a quantifier or a language, or the error that its operator does not exist."""
    negation, op, option = head.groups()
    if op in SEARCH:
        if option is None:
            return Filter(field, op, value, negation is not None)
        if _LANGUAGE.fullmatch(option) and option.strip(" "):
            return Filter(field, op, value, negation is not None, None, option.strip(" "))
        raise malformed(what, text, head.start(3), "a text search configuration, e.g. fts(english)")
    if op not in OPERATORS:
        expected = _EXPECTED_OPERATION if negation is None else _EXPECTED_OPERATOR
        raise malformed(what, text, head.start(2), expected, hint=_HINT_OPERATOR)
    if op not in QUANTIFIABLE or option not in ("any", "all"):
        taken = ", ".join(sorted(QUANTIFIABLE))
        raise malformed(what, text, head.start(3), _EXPECTED_OPERATOR, hint=f"(any) and (all) go with: {taken}.")
    values = parse_list(value)
    if len(values) > limits.list_items:
        raise over_limit("values in a list", limits.list_items, "list_items")
    return Filter(field, op, values, negation is not None, cast(Quantifier, option))


def _scan_is(text: str, at: int, what: str) -> tuple[str, int]:
    found = _IS.match(text, at)
    if found is None or (value := found[1].lower()) not in IS_VALUES:
        raise malformed(what, text, at, "isVal: (null, not_null, true, false, unknown)")
    return value, found.end()


def _scan_list(text: str, at: int, what: str, limits: QueryLimits) -> tuple[tuple[str, ...], int]:
    found = _OPEN.match(text, at)
    if found is None:
        raise malformed(what, text, at, '"("', hint="A list is in.(1,2,3).")
    at = found.end()
    values: list[str] = []
    while True:
        element = cast("re.Match[str]", _ELEMENT.match(text, at))
        quoted, plain = element.groups()
        at = element.end()
        if at == len(text):
            raise malformed(what, text, at, '"," or ")"')
        values.append(unescape(quoted) if plain is None else plain)
        if text[at] == ")":
            break
        if len(values) == limits.list_items:
            raise over_limit("values in a list", limits.list_items, "list_items")
        at += 1
    if len(values) == 1 and plain == "":
        values.clear()
    if len(values) > limits.list_items:
        raise over_limit("values in a list", limits.list_items, "list_items")
    return tuple(values), cast("re.Match[str]", _CLOSE.match(text, at)).end()


_BARE = re.compile(r"[^,.:()\"\\{} \t]+")


def render_operation(condition: Filter, *, in_logic: bool = False) -> str:
    """What stands behind ``column=`` (or, *in_logic*, behind ``column.``), not percent-encoded.

    Raises:
        ValueError: *condition* is part of a shape; its value is a `Slot`.
    """
    value = condition.value
    if isinstance(value, Slot):
        raise ValueError("a shape has no values to render")
    head = ("not." if condition.negated else "") + condition.op
    if condition.op == "in":
        elements = value if isinstance(value, tuple) else (value,)
        return f"{head}.({','.join(map(_element, elements))})"
    if isinstance(value, tuple):
        head += f"({condition.quantifier})"
        value = render_list(value)
    elif condition.language is not None:
        head += f"({condition.language})"
    if in_logic and condition.op != "is" and not _BARE.fullmatch(value):
        value = quote(value)
    return f"{head}.{value}"


def _element(value: str) -> str:
    return value if _BARE.fullmatch(value) else quote(value)

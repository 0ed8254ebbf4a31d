"""``column op value``, with PostgreSQL's meaning."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from backstay.catalog import family_of
from backstay.catalog.opaque import StoredMoment
from backstay.errors import PlanError
from backstay.plan.coerce import coercion
from backstay.plan.duration import parse_duration
from backstay.plan.intent import Compare
from backstay.plan.pattern import MAX_PATTERN, bounded_pattern, like_pattern
from backstay.request.filters import Slot
from backstay.sql.dialect import COMPARISONS, Expression, Typed
from backstay.sql.parameters import SlotParameter
from backstay.sql.sqlite.path import COLLATIONS, json_path, labels_of, number, ordered
from backstay.sql.sqlite.value import word
from backstay.sql.stored import moment, moment_text

_RANKED: Final = frozenset({"gt", "gte", "lt", "lte"})
_COMPARED: Final = _RANKED | {"eq", "neq", "in", "isdistinct"}
_NOT_HERE: Final = frozenset({"sl", "sr", "nxr", "nxl", "adj"})
#: Bytes of a text times bytes of a pattern: GLOB is done with them in some 50 µs at worst.
_SHORT_PRODUCT: Final = 16_384
#: Bytes of a pattern that GLOB takes: those of a request, four for a letter.
MAX_GLOB: Final = 4 * MAX_PATTERN
_SETS: Final = frozenset({"cs", "cd", "ov"})


def compare(typed: Typed, condition: Compare) -> Expression:
    op, value, path = condition.op, condition.value, condition.operand.path
    # A range is text here: what looks inside of it would find nothing, and say that there is nothing.
    if op in _NOT_HERE or (op in _SETS and family_of(typed.type) == "range"):
        raise PlanError("PGRST127", "Feature not implemented", details=f"The operator {op} is not available on SQLite.")
    left, type_ = typed.expression, typed.type
    if path:
        found = json_path(typed, path)
        left, type_ = found.expression, found.type
    if op == "is":
        return _is(left, str(value))
    if not isinstance(value, Slot):
        raise PlanError("PGRST100", f"the value of {op} was not taken out of the request")
    if op in _RANKED or (op in _COMPARED and family_of(type_) in COLLATIONS):
        left = ordered(Typed(left, type_))
    if op in _COMPARED and isinstance(type_, StoredMoment):
        left = moment(left, left)
    if op == "in":
        return left.in_(_listed(value, _encoder(op, type_)))
    test = _test(op, left, type_)
    if condition.quantifier is not None:
        return _quantified(left, value, condition, test, _encoder(op, type_))
    return test(_one(value, op, type_))


def guard(condition: Compare) -> Expression | None:
    """A regular expression is tried on nothing, before any row is."""
    value = condition.value
    if condition.op not in ("match", "imatch") or not isinstance(value, Slot):
        return None
    nothing, exact = word(""), number(0)
    if condition.quantifier is None:
        tried = sa.func.backstay_regex(nothing, _one(value, condition.op, sa.Text()), exact, type_=sa.Boolean())
        return tried.is_not(None)
    patterns = SlotParameter.of(value.index, lambda texts: _json_list([bounded_pattern(t) for t in texts]), sa.Text())
    return sa.func.backstay_patterns(patterns, type_=sa.Integer()).is_not(None)


Test = Callable[[Expression], Expression]


def _test(op: str, left: Expression, type_: sa.types.TypeEngine[Any]) -> Test:
    match op:
        case "eq" | "neq" | "gt" | "gte" | "lt" | "lte":
            return lambda right: left.op(COMPARISONS[op], is_comparison=True, return_type=sa.Boolean())(right)
        case "isdistinct":
            return lambda right: left.is_distinct_from(right)
        case "like":
            return lambda right: alike(left, left, right, sa.func.backstay_glob)
        case "ilike":
            return lambda right: alike(left, sa.func.backstay_lower(left), right, sa.func.backstay_lower_glob)
        case "match" | "imatch":
            fold: Expression = sa.literal_column("1" if op == "imatch" else "0")
            return lambda right: sa.func.backstay_regex(left, right, fold, type_=sa.Boolean())
        case "cs" | "cd" if family_of(type_) == "array":
            contains = sa.func.backstay_array_contains
            return lambda right: contains(*((left, right) if op == "cs" else (right, left)), type_=sa.Boolean())
        case "cs":
            return lambda right: sa.func.backstay_json_contains(left, right, type_=sa.Boolean())
        case "cd":
            return lambda right: sa.func.backstay_json_contains(right, left, type_=sa.Boolean())
        case "ov":
            return lambda right: sa.func.backstay_array_overlaps(left, right, type_=sa.Boolean())
        case _:
            raise PlanError("PGRST100", f"unknown operator {op}")


def alike(left: Expression, shown: Expression, pattern: Expression, linear: Callable[..., Any]) -> Expression:
    """*shown*, which is made of *left*, against a pattern.

    SQLite's own GLOB tries each piece of the pattern at each letter, and cannot be stopped meanwhile: it is taken where
    the product of both lengths is small, and the pattern not long; *linear*, which reads a text once, for the rest.
    """
    size, length = sa.func.octet_length(left), sa.func.octet_length(pattern)
    short = sa.and_(length <= number(MAX_GLOB), size * length <= number(_SHORT_PRODUCT))
    native = shown.op("GLOB", is_comparison=True, return_type=sa.Boolean())(pattern)
    return sa.case((short, native), else_=linear(left, pattern, type_=sa.Boolean()))


def _is(left: Expression, word: str) -> Expression:
    match word:
        case "null" | "unknown":
            return left.is_(None)
        case "not_null":
            return left.is_not(None)
        case _:
            return left.is_(sa.true() if word == "true" else sa.false())


def _quantified(
    left: Expression, value: Slot, condition: Compare, test: Test, encode: Callable[[Any], Any]
) -> Expression:
    """``op(any)``, ``op(all)`` as a test over the list's rows.

    As in PostgreSQL, an empty list decides by itself; else the answer is NULL where the column is.
    """
    each = _each(value, encode)
    passes = test(each.c.value)
    if condition.quantifier == "any":
        found: Expression = sa.select(sa.literal_column("1")).select_from(each).where(passes).exists()
    else:
        found = ~sa.select(sa.literal_column("1")).select_from(each).where(sa.not_(passes)).exists()
    empty = ~sa.select(sa.literal_column("1")).select_from(_each(value, encode)).exists()
    return sa.case(
        (left.is_not(None), found), (empty, sa.literal_column("0" if condition.quantifier == "any" else "1"))
    )


def _one(value: Slot, op: str, type_: sa.types.TypeEngine[Any]) -> Expression:
    return SlotParameter.of(value.index, _encoder(op, type_), sa.types.NULLTYPE)


def _each(value: Slot, encode: Callable[[Any], Any]) -> Any:
    parameter = SlotParameter.of(value.index, lambda texts: _json_list([encode(t) for t in texts]), sa.Text())
    return sa.func.json_each(parameter).table_valued("value", name="listed")


def _listed(value: Slot, encode: Callable[[Any], Any]) -> Any:
    each = _each(value, encode)
    return sa.select(each.c.value)


def _json_list(values: list[Any]) -> str:
    if any(isinstance(value, bytes) for value in values):
        raise PlanError("PGRST127", "Feature not implemented", details="Lists of bytes are not available on SQLite.")
    return json.dumps(values, ensure_ascii=False)


def _encoder(op: str, type_: sa.types.TypeEngine[Any]) -> Callable[[Any], Any]:
    """From the client's text to what SQLite compares with."""
    if op in ("like", "ilike"):
        return glob_pattern if op == "like" else lower_glob_pattern
    if op in ("match", "imatch"):
        return bounded_pattern
    if op in _RANKED and (labels := labels_of(type_)):
        read = coercion(type_)
        return lambda text: labels.index(read(text))
    if op in _RANKED and family_of(type_) == "interval":
        read_duration = coercion(type_)
        return lambda text: parse_duration(read_duration(text)) // timedelta(microseconds=1)
    if isinstance(type_, StoredMoment):
        read_text = coercion(type_)
        return lambda text: moment_text(read_text(text))
    return coercion(type_)


def glob_pattern(text: Any) -> str:
    """PostgreSQL's LIKE pattern as a GLOB pattern: case-sensitive, and native where it may be.

    >>> glob_pattern(r"50\\%*_[x]")
    '50%*?[[]x]'
    """
    out: list[str] = []
    characters = iter(like_pattern(text))
    for character in characters:
        if character == "%":
            out.append("*")
        elif character == "_":
            out.append("?")
        else:
            literal = next(characters) if character == "\\" else character
            out.append(f"[{literal}]" if literal in "*?[" else literal)
    return "".join(out)


def lower_glob_pattern(text: Any) -> str:
    # A capital sigma at a word's end is one in the middle of a longer word, too.
    return glob_pattern(text.replace("Σ", "σ").lower())

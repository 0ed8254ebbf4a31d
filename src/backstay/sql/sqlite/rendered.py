"""Operators and functions with PostgreSQL's meaning, where SQLite has another one of the same name.

Each is said by a function of ``adapters/sqlite/``, or by what SQLite does say.  What needs nothing, and what nobody
knows to be the same (see `alike`), stays as SQLAlchemy writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.sql import elements as e
from sqlalchemy.sql import operators as op
from sqlalchemy.sql.functions import FunctionElement

from backstay.catalog.standing import function_name
from backstay.request.field import Step
from backstay.sql.chosen import BETWEEN, RANKS
from backstay.sql.dialect import Expression, Typed
from backstay.sql.sqlite.condition import alike
from backstay.sql.sqlite.element import is_made, item_keys, kind_of
from backstay.sql.sqlite.kind import CASTS, EXTRACTS, FINER, INTEGERS, MOMENTS, Kind, arithmetic, kind_of_type
from backstay.sql.sqlite.operators import ARITHMETIC, EQUALS, IS, JSON_ITEMS, LIKES, LISTS
from backstay.sql.sqlite.path import DECIMALS, json_path, number
from backstay.sql.sqlite.value import word
from backstay.sql.unlike import Unlike


def rendered(element: Any) -> Expression | None:
    """What to write for *element*; ``None`` for what SQLAlchemy writes."""
    try:
        match element:
            case e.BinaryExpression():
                return _binary(element)
            case e.ExpressionClauseList() if element.operator in ARITHMETIC:
                return _arithmetic(element.operator, element.clauses)
            case sa.UnaryExpression() if element.operator is op.neg:
                return _computed("-", number(0), element.element, kind_of(element.element))
            case sa.Cast():
                return _cast(element)
            case sa.Extract():
                return _extract(element)
            case sa.Case() if element.value is not None:
                return _case(element)
            case FunctionElement():
                return _function(element)
            case _:
                return None
    except Unlike:
        return None


def _binary(element: Any) -> Expression | None:
    operator = element.operator
    if operator in LIKES:
        return _like(element)
    if operator in ARITHMETIC:
        return _arithmetic(operator, [element.left, element.right])
    if operator in JSON_ITEMS:
        return _item(element)
    if operator in EQUALS or operator in RANKS:
        found = _made_alike(element.left, element.right)
        return None if found is None else operator(*found)
    if operator in IS and (left := _far(element.left)) is not element.left:
        return operator(left, element.right)  # type: ignore[no-any-return]
    if operator in BETWEEN:
        return _between(element)
    return _listed(element) if operator in LISTS else None


def _computed(
    sign: str,
    left: Any,
    right: Any,
    kind: Kind,
    other: Kind | None = None,
    function: Callable[..., Expression] = sa.func.backstay_compute,
) -> Expression:
    first, second = ("number" if each == "whole" else each for each in (kind, other or kind))
    return function(word(sign), word(first), word(second), left, right)


def _arithmetic(operator: Any, values: Iterable[Any]) -> Expression | None:
    """From left to right; ``a + b + c`` is one list of SQLAlchemy's."""
    return _summed(operator, [(each, kind_of(each)) for each in values], sa.func.backstay_compute)


def _summed(operator: Any, values: list[tuple[Any, Kind]], function: Callable[..., Expression]) -> Expression | None:
    sign, ((found, kind), *others) = ARITHMETIC[operator], values
    for each, other in others:
        made = arithmetic(sign, kind, other)
        if made is None:
            return None
        found, kind = _computed(sign, found, each, kind, other, function), made
    return found  # type: ignore[no-any-return]


def _far(value: Any) -> Any:
    """Where *value* is a sum of moments, one without an end at the year 9999, which only comparisons take."""
    bare = value.element if isinstance(value, e.Grouping) else value
    if not isinstance(bare, e.BinaryExpression | e.ExpressionClauseList) or bare.operator not in (op.add, op.sub):
        return value
    parts = bare.clauses if isinstance(bare, e.ExpressionClauseList) else (bare.left, bare.right)
    if MOMENTS.isdisjoint(map(kind_of, parts)):
        return value
    return _summed(bare.operator, [(_far(each), kind_of(each)) for each in parts], sa.func.backstay_compute_far)


def _like(element: Any) -> Expression:
    counts, around, negated = LIKES[element.operator]
    escape = element.modifiers.get("escape") or "\\"
    before, after = around.split("{}")
    shown, pattern = element.left, element.right
    if not counts:
        shown, pattern, escape = sa.func.backstay_lower(shown), sa.func.backstay_lower(pattern), escape.lower()
    globs = sa.func.backstay_pattern(pattern, word(escape), word(before), word(after))
    linear = sa.func.backstay_glob if counts else sa.func.backstay_lower_glob
    found = alike(element.left, shown, globs, linear)
    return sa.not_(found) if negated else found


def _between(element: Any) -> Expression | None:
    low, high = element.right.clauses
    if element.modifiers.get("symmetric") or not (_made_alike(element.left, low) or _made_alike(element.left, high)):
        return None
    found = sa.and_(element.left >= low, element.left <= high)
    return sa.not_(found) if element.operator is op.not_between_op else found


def _listed(element: Any) -> Expression | None:
    """A list of exact decimals is one of texts, and a column's affinity makes numbers of them where it has to."""
    left, right = element.left, element.right
    if not is_made(left) or isinstance(left, sa.Tuple):
        return None
    kind, other = kind_of(left), kind_of(right)
    decimals = (other if isinstance(right, e.BindParameter) else kind) == "decimal"
    return element.operator(_decimal(left), right) if decimals and kind != "float" else None


def _made_alike(left: Any, right: Any) -> tuple[Expression, Expression] | None:
    """Both sides in a form that SQLite compares right; ``None`` where they are."""
    first, second = kind_of(left), kind_of(right)
    kinds = {first, second}
    one, other = _far(left), _far(right)
    if kinds == {"interval"}:
        return sa.func.backstay_microseconds(one), sa.func.backstay_microseconds(other)
    if kinds <= MOMENTS and len(kinds) == 2:
        zone = "+00:00" if "timestamptz" in kinds else ""
        return _moment(one, first, zone), _moment(other, second, zone)
    if one is not left or other is not right:
        return one, other
    if "char" in kinds:
        return _unpadded(left, first), _unpadded(right, second)
    if "float" in kinds and kinds & {*FINER, "number"}:
        return sa.cast(left, sa.REAL()), sa.cast(right, sa.REAL())
    if "decimal" not in kinds and not ("number" in kinds and (is_made(left) or is_made(right))):
        return None
    if first == second and not is_made(left) and not is_made(right):
        return None
    return _decimal(left), _decimal(right)


def _decimal(value: Any) -> Expression:
    return sa.collate(sa.func.backstay_decimal(value, type_=sa.Text()), DECIMALS)


def _unpadded(value: Any, kind: Kind) -> Expression:
    """A CHAR as PostgreSQL compares it with a text: without the blanks at its end."""
    return sa.func.rtrim(value, word(" ")) if kind == "char" and not isinstance(value, e.BindParameter) else value


def _moment(value: Any, kind: Kind, zone: str) -> Expression:
    text = sa.type_coerce(value, sa.Text())
    if kind == "timestamptz":
        return text
    return text.concat(word(("T00:00:00" if kind == "date" else "") + zone))


def _item(element: Any) -> Expression | None:
    keys, kind = item_keys(element), kind_of(element)
    document = Typed(element.left, element.left.type)
    if not keys:
        return None
    if kind == "json":
        return json_path(document, tuple(map(Step, keys))).expression
    text = json_path(document, (*map(Step, keys[:-1]), Step(keys[-1], as_text=True))).expression
    return text if kind == "text" else _read(text, "text", kind)


#: What `casts` calls them.
_WORDS: Final[dict[Kind, str]] = {
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float": "float8",
    "decimal": "numeric",
}


def _read(value: Any, source: str, target: Kind) -> Expression:
    return sa.func.backstay_cast(value, word(source), word(_WORDS.get(target, target)))


def _cast(element: Any) -> Expression | None:
    value, source, target = element.clause, kind_of(element.clause), kind_of_type(element.type)
    if target not in CASTS.get(source, frozenset()):
        return None
    match source, target:
        case "text" | "uuid" | "enum" | "date", "text":
            return sa.type_coerce(value, sa.Text())
        case "text", _:
            return _read(value, source, target)
        case "boolean", "text":
            return sa.case((value.is_(None), sa.null()), (value, word("true")), else_=word("false"))
        case "boolean", _:
            return sa.type_coerce(value, sa.Integer())
        case "int4", "boolean":
            return sa.type_coerce(value, sa.Integer()) != number(0)
        case "int2" | "int4" | "int8" | "number" | "decimal" | "whole", "decimal":
            return sa.func.backstay_decimal(value)
        case "int2" | "int4" | "int8" | "whole", _ if target in INTEGERS:
            return _read(value, "integer", target)
        case "number" | "decimal", _ if target in INTEGERS:
            return _read(value, "numeric", target)
        case "float", _ if target in INTEGERS:
            return _read(value, "float", target)
        case "timestamp" | "timestamptz", "date":
            return sa.func.substr(value, number(1), number(10))
        case "date" | "timestamp", "timestamp" | "timestamptz" if source != target:
            return _moment(value, source, "+00:00" if target == "timestamptz" else "")
        case "timestamptz", "timestamp":
            return sa.func.replace(value, word("+00:00"), word(""))
        case _ if source == target:
            return sa.type_coerce(value, element.type)
        case _:
            return None


#: Where in the text of a moment it stands, and how long it is.
_PLACES: Final = {"year": (1, 4), "month": (6, 2), "day": (9, 2), "hour": (12, 2), "minute": (15, 2)}
_FORMATS: Final = {"dow": "%w", "doy": "%j"}


def _extract(element: Any) -> Expression | None:
    field = element.field
    if kind_of(element.expr) not in EXTRACTS.get(field, frozenset()):
        return None
    if field in _FORMATS:
        # Of the day alone: SQLite rounds a moment to the millisecond first, which may be the next day's.
        found = sa.func.strftime(word(_FORMATS[field]), sa.func.substr(element.expr, number(1), number(10)))
    else:
        found = sa.func.substr(element.expr, *map(number, _PLACES[field]))
    return found.op("+", return_type=sa.Integer())(number(0))


def _case(element: Any) -> Expression | None:
    """CASE compares what it is asked about as SQLite does."""
    value, whens = element.value, element.whens
    if all(_made_alike(value, when) is None for when, _ in whens):
        return None
    # NULL is equal to nothing, and SQLAlchemy would ask for it by IS.
    asked = ((sa.false() if isinstance(when, e.Null) else value == when, then) for when, then in whens)
    return sa.case(*asked, else_=element.else_)


def _function(element: Any) -> Expression | None:
    match function_name(element):
        case "lower" | "upper" as name if kind_of(element) == "text":
            told: Callable[..., Expression] = sa.func.backstay_lower if name == "lower" else sa.func.backstay_upper
            return told(*element.clauses, type_=sa.Text())
        case "nullif" if _made_alike(*element.clauses) is not None:
            left, right = element.clauses
            return sa.case((left == right, sa.null()), else_=left)
        case _:
            return None

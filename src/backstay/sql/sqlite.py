"""How SQLite says it, with PostgreSQL's meaning.

What a column stores is what PostgreSQL prints in JSON wherever that sorts and compares right (UUIDs, timestamps): then
the value needs no work on its way out.  The rest is made the same here: booleans, decimals, bytes, JSON.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.engine import Dialect as SaDialect

from backstay.catalog import Column, Family, family_of
from backstay.catalog.opaque import AsStored
from backstay.errors import PlanError
from backstay.plan.coerce import coercion, type_name
from backstay.plan.intent import Compare
from backstay.plan.pattern import bounded_pattern, like_pattern
from backstay.request.field import Step
from backstay.request.filters import Slot
from backstay.sql.casts import cast_type
from backstay.sql.dialect import Expression, Listed, SqlDialect, Typed, defaults
from backstay.sql.fts5 import relevance, search
from backstay.sql.parameters import SlotParameter
from backstay.sql.stored import stored_document, stored_value

_COMPARISONS: Final = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_RANKED: Final = frozenset({"gt", "gte", "lt", "lte"})
_COMPARED: Final = _RANKED | {"eq", "neq", "in", "isdistinct"}
_NOT_HERE: Final = frozenset({"sl", "sr", "nxr", "nxl", "adj"})
_STORED_AS_JSON: Final[frozenset[Family]] = frozenset({"json", "array"})


def sqlite(dialect: SaDialect) -> SqlDialect:
    """SQLite through SQLAlchemy's *dialect*."""
    return SqlDialect(
        name="sqlite",
        compiler=dialect,
        json_object=_json_object,
        json_array=lambda value: sa.func.json_group_array(value),
        nested=lambda value: sa.func.json(value),
        body=lambda value: value,
        stripped=None,
        csv=None,
        writes_inside=False,
        json_texts=lambda values: sa.func.json_array(*values),
        json_value=_json_value,
        path=_path,
        sort_key=_sort_key,
        compare=_compare,
        search=search,
        relevance=relevance,
        guard=_guard,
        cast=_cast,
        aggregate=_aggregate,
        integer=lambda index, encode: SlotParameter.of(index, encode, sa.BigInteger()),
        listed=_rows,
        pack=lambda rows, width: (_packed([[stored for _, stored in row] for row in rows]),),
        pack_keys=lambda rows, width: (_packed(rows),),
        key_out=_key_out,
        stored=lambda column, value: value,
        stored_type=lambda column: sa.types.NULLTYPE,
        pick=lambda pair: _finite(pair[1]),
        insert=sqlite_dialect.insert,
        try_lock=lambda number: None,
        now=lambda: sa.func.backstay_now(type_=sa.types.NULLTYPE),
        insert_nothing=lambda table: sqlite_dialect.insert(table).values(defaults(table, sa.null())),
    )


def _json_object(pairs: Sequence[tuple[str, Expression]]) -> Expression:
    return sa.func.json_object(*(part for key, value in pairs for part in (sa.literal(key, sa.Text()), value)))


def _json_value(typed: Typed) -> Expression:
    value = typed.expression
    if isinstance(typed.type, AsStored):
        return stored_value(typed)
    match family_of(typed.type):
        case "boolean":
            return sa.func.json(sa.case((value.is_(None), sa.null()), (value, _word("true")), else_=_word("false")))
        case "numeric":
            scale = getattr(typed.type, "scale", None)
            if _is_native(typed.type) and scale is not None:
                return sa.func.json(sa.case((value.is_not(None), sa.func.printf(_word(f"%.{int(scale)}f"), value))))
            return sa.func.json(sa.cast(value, sa.Text()))
        case "json" | "array":
            return sa.func.json(value)
        case "bytes":
            hexadecimal = sa.func.lower(sa.func.hex(value))
            return sa.case((value.is_not(None), _word("\\x").concat(hexadecimal)))
        case _:
            return value


def _word(text: str) -> Expression:
    """A constant of this file or of the models, written into the statement."""
    return sa.literal_column("'" + text.replace("'", "''") + "'", sa.Text())


def _is_native(type_: sa.types.TypeEngine[Any]) -> bool:
    """Whether a decimal fits a double exactly, and is stored as a number: up to 15 digits."""
    precision = getattr(type_, "precision", None)
    return precision is not None and precision <= 15


# -- JSON paths ------------------------------------------------------------------------------------------------------


def _document(typed: Typed) -> Expression:
    return stored_document(typed) if isinstance(typed.type, AsStored) else typed.expression


def _json_path(path: tuple[Step, ...]) -> Expression:
    """The path as one bound constant, each key quoted on its own (SQ3)."""
    text = "$"
    for step in path:
        if isinstance(step.key, int):
            text += f"[{step.key}]" if step.key >= 0 else f"[#{step.key}]"
        elif '"' in step.key or "\\" in step.key:
            raise PlanError(
                "PGRST127",
                "Feature not implemented",
                details="On SQLite, a JSON key cannot hold quotes or backslashes.",
            )
        else:
            text += f'."{step.key}"'
    return sa.literal(text, sa.Text())


def _path(typed: Typed, path: tuple[Step, ...]) -> Typed:
    document, where = _document(typed), _json_path(path)
    found = document.op("->", precedence=15, return_type=sa.Text())(where)
    if not path[-1].as_text:
        return Typed(found, sa.JSON())
    plain = document.op("->>", precedence=15, return_type=sa.Text())(where)
    # ``->>`` gives SQL values; PostgreSQL gives text: 'true' for true, '5' for 5.
    first = sa.func.substr(found, 1, 1)
    nested = first.in_((_word("{"), _word("[")))
    written = sa.func.backstay_json_text(found)
    text = sa.case((first == _word('"'), plain), (nested, written), else_=sa.func.nullif(found, _word("null")))
    return Typed(text, sa.Text())


def _sort_key(typed: Typed, path: tuple[Step, ...]) -> Expression:
    return _ordered(_path(typed, path) if path else typed)


#: How the texts of these families compare; ``adapters/sqlite/ordering.py`` says what the collations mean.
_COLLATIONS: Final[Mapping[Family, str]] = {"json": "BACKSTAY_JSON", "array": "BACKSTAY_ARRAY"}


def _ordered(typed: Typed) -> Expression:
    """The expression that sorts and compares as PostgreSQL's type does."""
    family = family_of(typed.type)
    labels = _labels(typed.type)
    if labels:
        # An enum's order is that of its labels.
        return sa.case(*((typed.expression == _word(label), _number(i)) for i, label in enumerate(labels)))
    if family in _COLLATIONS:
        return sa.collate(sa.type_coerce(typed.expression, sa.Text()), _COLLATIONS[family])
    return typed.expression


def _labels(type_: sa.types.TypeEngine[Any]) -> Sequence[str]:
    """The labels of an enum, unless they sort by themselves."""
    found: Sequence[str] = getattr(type_, "enums", None) or ()
    return () if list(found) == sorted(found) else found


def _number(value: int) -> Expression:
    return sa.literal_column(str(value), sa.Integer())


# -- conditions ------------------------------------------------------------------------------------------------------


def _compare(typed: Typed, condition: Compare) -> Expression:
    op, value, path = condition.op, condition.value, condition.operand.path
    if op in _NOT_HERE:
        raise PlanError("PGRST127", "Feature not implemented", details=f"The operator {op} is not available on SQLite.")
    left, type_ = typed.expression, typed.type
    if path:
        found = _path(typed, path)
        left, type_ = found.expression, found.type
    if op == "is":
        return _is(left, str(value))
    if not isinstance(value, Slot):
        raise PlanError("PGRST100", f"the value of {op} was not taken out of the request")
    ranked = op in _RANKED and bool(_labels(type_))
    if ranked or (op in _COMPARED and family_of(type_) in _COLLATIONS):
        left = _ordered(Typed(left, type_))
    test = _test(op, left, type_)
    if op == "in":
        return left.in_(_listed(value, _encoder(op, type_)))
    if condition.quantifier is not None:
        return _quantified(left, value, condition, test, _encoder(op, type_))
    return test(_one(value, op, type_))


def _guard(condition: Compare) -> Expression | None:
    """A regular expression is tried on nothing, before any row is."""
    value = condition.value
    if condition.op not in ("match", "imatch") or not isinstance(value, Slot):
        return None
    nothing, exact = _word(""), _number(0)
    if condition.quantifier is None:
        tried = sa.func.backstay_regex(nothing, _one(value, condition.op, sa.Text()), exact, type_=sa.Boolean())
        return tried.is_not(None)
    patterns = SlotParameter.of(value.index, lambda texts: _json_list([bounded_pattern(t) for t in texts]), sa.Text())
    return sa.func.backstay_patterns(patterns, type_=sa.Integer()).is_not(None)


Test = Callable[[Expression], Expression]


def _test(op: str, left: Expression, type_: sa.types.TypeEngine[Any]) -> Test:
    match op:
        case "eq" | "neq" | "gt" | "gte" | "lt" | "lte":
            return lambda right: left.op(_COMPARISONS[op], is_comparison=True, return_type=sa.Boolean())(right)
        case "isdistinct":
            return lambda right: left.is_distinct_from(right)
        case "like":
            return lambda right: left.op("GLOB", is_comparison=True, return_type=sa.Boolean())(right)
        case "ilike":
            lowered = sa.func.backstay_lower(left)
            return lambda right: lowered.op("GLOB", is_comparison=True, return_type=sa.Boolean())(right)
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
            return lambda right: _overlaps(left, right)
        case "in":
            return lambda right: left == right
        case _:
            raise PlanError("PGRST100", f"unknown operator {op}")


def _overlaps(left: Expression, right: Expression) -> Expression:
    mine = sa.func.json_each(left).table_valued("value", name="mine")
    theirs = sa.func.json_each(right).table_valued("value", name="theirs")
    found: sa.Select[Any] = (
        sa.select(sa.literal_column("1")).select_from(mine).where(mine.c.value.in_(sa.select(theirs.c.value)))
    )
    return sa.case((left.is_not(None), found.exists()))


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
        return _glob if op == "like" else _lower_glob
    if op in ("match", "imatch"):
        return bounded_pattern
    if op in _RANKED and (labels := _labels(type_)):
        read = coercion(type_)
        return lambda text: labels.index(read(text))
    return coercion(type_)


def _glob(text: Any) -> str:
    """PostgreSQL's LIKE pattern as a GLOB pattern: case-sensitive, native and indexable.

    >>> _glob(r"50\\%*_[x]")
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


def _lower_glob(text: Any) -> str:
    return _glob(text.lower())


# -- casts and aggregates --------------------------------------------------------------------------------------------


#: What PostgreSQL casts explicitly, besides everything to text and text to everything.
_CASTS: Final[Mapping[Family, frozenset[Family]]] = {
    "integer": frozenset({"integer", "float", "numeric", "boolean"}),
    "float": frozenset({"integer", "numeric"}),
    "numeric": frozenset({"integer", "float"}),
    "boolean": frozenset({"integer"}),
    "date": frozenset({"timestamp", "timestamptz"}),
    "timestamp": frozenset({"date", "time", "timestamptz"}),
    "timestamptz": frozenset({"date", "time", "timestamp"}),
    "json": frozenset({"boolean", "integer", "float", "numeric"}),
}


def _cast(typed: Typed, name: str) -> Typed:
    target = cast_type(name)
    value, source, family = typed.expression, family_of(typed.type), family_of(target)
    if family == "text":
        return Typed(_as_text(typed, source), target)
    if source == "text":
        return Typed(_computed_cast(value, source, name), target)
    if family == source and family != "integer":
        return Typed(value, target)
    if family not in _CASTS.get(source, frozenset()) or (
        "boolean" in (source, family) and any(isinstance(t, sa.BigInteger) for t in (typed.type, target))
    ):
        raise PlanError("42846", f"cannot cast type {type_name(typed.type)} to {type_name(target)}")
    match source, family:
        case "integer", "boolean":
            return Typed(value.op("<>")(sa.literal_column("0")), target)
        case ("boolean", _) | ("integer", "numeric"):
            return Typed(value, target)
        case _, "float" if source != "json":
            return Typed(sa.cast(value, sa.REAL()), target)
        case ("float", "numeric"):
            return Typed(sa.cast(value, sa.Text()), target)
        case "date", _:
            return Typed(
                sa.type_coerce(value, sa.Text()).concat(
                    _word("T00:00:00" + ("+00:00" if family == "timestamptz" else ""))
                ),
                target,
            )
        case _, "date":
            return Typed(sa.func.substr(value, 1, 10), target)
        case _, "time":
            return Typed(sa.func.replace(sa.func.substr(value, 12), _word("+00:00"), _word("")), target)
        case "timestamp", "timestamptz":
            return Typed(sa.type_coerce(value, sa.Text()).concat(_word("+00:00")), target)
        case "timestamptz", "timestamp":
            return Typed(sa.func.replace(value, _word("+00:00"), _word("")), target)
        case _:
            return Typed(_computed_cast(value, source, name), target)


def _computed_cast(value: Expression, source: Family, name: str) -> Expression:
    return sa.func.backstay_cast(value, _word(source), sa.literal(name, sa.Text()))


def _as_text(typed: Typed, source: Family) -> Expression:
    value = typed.expression
    if source == "boolean":
        return sa.case((value.is_(None), sa.null()), (value, _word("true")), else_=_word("false"))
    if source in ("timestamptz", "timestamp"):
        # PostgreSQL's text form has a space for the T and a short offset.
        spaced = sa.func.replace(value, _word("T"), _word(" "))
        return sa.func.replace(spaced, _word("+00:00"), _word("+00"))
    if source == "json":
        return sa.func.backstay_json_text(value)
    if source == "array":
        item: sa.types.TypeEngine[Any] = getattr(typed.type, "item_type", sa.types.NULLTYPE)
        return sa.func.backstay_array_text(value, _word(family_of(item)))
    if source in ("numeric", "bytes"):
        return sa.cast(_json_value(typed), sa.Text())
    return sa.cast(value, sa.Text())


def _aggregate(name: str, typed: Typed | None) -> Typed:
    if typed is None:
        return Typed(sa.func.count(), sa.BigInteger())
    value, family = typed.expression, family_of(typed.type)
    if name == "count":
        return Typed(sa.func.count(value), sa.BigInteger())
    if name in ("min", "max"):
        return Typed(getattr(sa.func, name)(value), typed.type)
    if family not in ("integer", "float", "numeric"):
        raise PlanError("42883", f"function {name}({family}) does not exist")
    if family == "numeric" and not _is_native(typed.type):
        return Typed(sa.func.backstay_decimal_sum(value) if name == "sum" else sa.func.avg(value), sa.Numeric())
    return Typed(getattr(sa.func, name)(value), typed.type if name == "sum" else sa.Double())


# -- rows of a request -----------------------------------------------------------------------------------------------


def _rows(columns: Sequence[Column], slot: int) -> Listed:
    """``json_each(?)`` over an array of arrays: one parameter, whatever the number of rows."""
    parameter = SlotParameter.of(slot, lambda packed: packed, sa.Text())
    rows = sa.func.json_each(parameter).table_valued("key", "value", name=f"_l{slot}")
    values = tuple(_unpacked(column, rows.c.value, i) for i, column in enumerate(columns))
    return Listed(rows, values, rows.c.key)


def _unpacked(column: Column, row: Expression, index: int) -> Expression:
    found = row.op("->>", return_type=column.type)(sa.literal_column(str(index)))
    return sa.func.unhex(found, type_=column.type) if column.family == "bytes" else found


def _packed(rows: Sequence[Sequence[Any]]) -> str:
    return json.dumps(
        [[v.hex() if isinstance(v, bytes) else _finite(v) for v in row] for row in rows], ensure_ascii=False
    )


def _finite(value: Any) -> Any:
    """*value*, unless it is a float that SQLite would store as NULL, or could not show in JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        raise PlanError(
            "PGRST127", "Feature not implemented", details="On SQLite, a float is neither NaN nor an infinity."
        )
    return value


def _key_out(column: Column) -> Expression:
    return sa.func.hex(column.sql) if column.family == "bytes" else sa.type_coerce(column.sql, sa.types.NULLTYPE)

"""What each part of a rule is to SQLite, and whether SQLite says the same of it as PostgreSQL.

SQLite compares, adds and calls whatever it is given, and has an answer where PostgreSQL has another one or none: a
moment is a text to it, LIKE does not see capitals, ``0.1 + 0.2`` is no ``0.3``.  So what may stand in a rule is listed
here by operator, function and type: what SQLite says alike, and what `rendered` makes it say.  Anything else is
`Unlike`.

1. A kind is finer than a family: it tells what is stored too, and that of ``func.now()``, which SQLAlchemy does not.
2. What is not listed is refused: nobody knows what it means on both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql import elements as e
from sqlalchemy.sql import operators as op
from sqlalchemy.sql import selectable as s
from sqlalchemy.sql import visitors
from sqlalchemy.sql.functions import FunctionElement

from backstay.catalog import family_of, plain_type
from backstay.catalog.opaque import AsStored
from backstay.catalog.shown import shown
from backstay.catalog.standing import function_name, table_of
from backstay.sql.chosen import BETWEEN, COLLATE, RANKS, chosen, sorted_by
from backstay.sql.single import several
from backstay.sql.sqlite.value import is_native
from backstay.sql.unlike import Unlike

#: "number" is a decimal that a double holds exactly, "decimal" one that is kept as text, "whole" one that SQLite has as
#: an integer; "null" goes with any.
Kind: TypeAlias = Literal[
    "boolean",
    "int2",
    "int4",
    "int8",
    "float",
    "number",
    "decimal",
    "whole",
    "text",
    "char",
    "uuid",
    "enum",
    "date",
    "timestamp",
    "timestamptz",
    "time",
    "interval",
    "json",
    "bytes",
    "other",
    "null",
    "row",
]

INTEGERS: Final[tuple[Kind, ...]] = ("int2", "int4", "int8")
NUMBERS: Final[frozenset[Kind]] = frozenset({*INTEGERS, "float", "number", "decimal", "whole"})
#: What no float holds exactly: PostgreSQL rounds it where it stands beside one.
FINER: Final[frozenset[Kind]] = frozenset({"int8", "decimal", "whole"})
#: What SQLite has as an integer.
_WHOLE_ONES: Final[frozenset[Kind]] = frozenset({*INTEGERS, "whole"})
MOMENTS: Final[frozenset[Kind]] = frozenset({"date", "timestamp", "timestamptz"})
#: Their stored form sorts as they do.
_SORTED: Final[frozenset[Kind]] = NUMBERS | MOMENTS | {"boolean", "uuid", "time", "bytes", "null"}

EQUALS: Final = frozenset({op.eq, op.ne, op.is_distinct_from, op.is_not_distinct_from})
LISTS: Final = frozenset({op.in_op, op.not_in_op})
IS: Final = frozenset({op.is_, op.is_not})
ARITHMETIC: Final = {
    op.add: "+",
    op.sub: "-",
    op.mul: "*",
    op.truediv: "/",
    op.floordiv: "//",
    op.mod: "%",
}
#: Each LIKE: whether capitals count, what stands around the text, and whether it is negated.
LIKES: Final[dict[Any, tuple[bool, str, bool]]] = {
    op.like_op: (True, "{}", False),
    op.not_like_op: (True, "{}", True),
    op.ilike_op: (False, "{}", False),
    op.not_ilike_op: (False, "{}", True),
    op.startswith_op: (True, "{}%", False),
    op.not_startswith_op: (True, "{}%", True),
    op.endswith_op: (True, "%{}", False),
    op.not_endswith_op: (True, "%{}", True),
    op.contains_op: (True, "%{}%", False),
    op.not_contains_op: (True, "%{}%", True),
    op.istartswith_op: (False, "{}%", False),
    op.not_istartswith_op: (False, "{}%", True),
    op.iendswith_op: (False, "%{}", False),
    op.not_iendswith_op: (False, "%{}", True),
    op.icontains_op: (False, "%{}%", False),
    op.not_icontains_op: (False, "%{}%", True),
}
JSON_ITEMS: Final = frozenset({op.json_getitem_op, op.json_path_getitem_op})
_BOOLEANS: Final = frozenset({op.and_, op.or_, op.inv, op.exists, op.is_true, op.is_false})

_OF_A_VALUE: Final[tuple[tuple[type, Kind], ...]] = (
    (bool, "boolean"),
    (int, "int4"),
    (float, "float"),
    (Decimal, "decimal"),
    (str, "text"),
    (UUID, "uuid"),
    (datetime, "timestamptz"),
    (date, "date"),
    (time, "time"),
    (timedelta, "interval"),
    (bytes, "bytes"),
)
_WHOLE: Final = "Compare values of one kind, or cast() one of them."
_CAST_WHOLE: Final = "Cast what is taken out or summed: cast(func.sum(…), BigInteger) // 2."
_NO_WINDOW: Final = "Ask by exists() and func.count() of a subquery."
_ASK_POSTGRESQL: Final = "Use PostgreSQL for it, or say it by what the reference of policies lists."


def unlike(rows: Any) -> Unlike | None:
    """The first part of *rows* of which SQLite says something else than PostgreSQL.

    >>> unlike(sa.column("n", sa.Integer) > 1) is None, unlike(sa.func.random() > 1).seen
    (True, 'the function random()')
    """
    asked = {id(part) for each in visitors.iterate(rows) for part in _typed_by_others(each)}
    try:
        for element in visitors.iterate(rows):
            if id(element) in asked:
                continue
            _judge_query(element)
            if isinstance(element, sa.ColumnElement) and not isinstance(_bare(element), _PARTS):
                kind_of(element)
    except Unlike as found:
        return found
    return chosen(rows) or several(rows)


def misleading(rows: Any) -> Unlike | None:
    """What PostgreSQL itself answers otherwise than SQLAlchemy says, or refuses only when there is a row."""
    for element in visitors.iterate(rows):
        try:
            _refuse_misleading(element)
        except Unlike as found:
            return found
    return None


def _refuse_misleading(element: Any) -> None:
    if isinstance(element, e.BinaryExpression) and element.operator is op.floordiv:
        # SQLAlchemy writes "/" of what it takes for whole numbers.
        if "whole" in (_known(kind_of, element.left), _known(kind_of, element.right)):
            raise Unlike("numeric // integer", _CAST_WHOLE, element)
    elif isinstance(element, sa.Extract):
        kind, is_of_clock = _known(kind_of, element.expr), element.field.lower() in _OF_THE_CLOCK
        if (kind == "date" and is_of_clock) or (kind == "time" and not is_of_clock):
            raise Unlike(f"extract({element.field}) of a value that is {kind}", _TAKEN_OUT)


def _known(tell: Callable[..., Kind], *of: Any) -> Kind:
    """What *tell* says, and "other" of what is of one database alone."""
    try:
        return tell(*of)
    except Unlike:
        return "other"


#: Fields that days do not have.
_OF_THE_CLOCK: Final = frozenset(
    {"hour", "minute", "second", "millisecond", "milliseconds", "microsecond", "microseconds", "timezone"}
)

#: What is judged with the operator or function that it is a part of.
_PARTS: Final = (e.CollationClause, e.TypeClause, e.ClauseList, e.ExpressionClauseList)


def _typed_by_others(element: Any) -> Iterator[Any]:
    """Parts that are no values of their own: what is looked for in JSON, and what ``extract()`` and CASE hold."""
    match element:
        case e.BinaryExpression() if element.operator in JSON_ITEMS:
            yield element.right
        case e.BinaryExpression() if element.operator in LISTS | BETWEEN:
            yield element.right
        case _:
            return


def kind_of(element: Any) -> Kind:
    """The kind of *element*, all of whose parts are looked at.

    Raises:
        Unlike: SQLite computes something else.
    """
    match element:
        case e.Grouping() | e.AsBoolean() | sa.Label() | s.SelectStatementGrouping() | sa.ScalarSelect():
            return _inside(element)
        case e.BindParameter():
            return _of_parameter(element)
        case e.Null():
            return "null"
        case e.True_() | e.False_() | e.BooleanClauseList() | sa.Exists():
            return "boolean"
        case sa.Tuple():
            return "row"
        case sa.Cast():
            return _of_cast(element)
        case sa.TypeCoerce():
            return _of_coerced(element)
        case sa.Case():
            return _of_case(element)
        case sa.Extract():
            return _of_extract(element)
        case sa.FunctionFilter():
            return kind_of(element.func)
        case FunctionElement():
            return _of_function(element)
        case e.BinaryExpression():
            return _of_binary(element)
        case sa.UnaryExpression():
            return _of_unary(element)
        case sa.ColumnClause():
            return _of_column(element)
        case e.ExpressionClauseList() if element.operator in ARITHMETIC:
            # ``a + b + c``, which SQLAlchemy keeps as one list.
            return _of_arithmetic(element.clauses, element)
        case e.ClauseList() | e.ExpressionClauseList():
            return _common(list(element.clauses), element)
        case sa.TextClause():
            return "null"
        case sa.Over() | sa.WithinGroup():
            raise Unlike("a window", _NO_WINDOW, element)
        case _:
            raise Unlike("", _ASK_POSTGRESQL, element)


def kind_of_type(type_: Any) -> Kind:
    """The kind of a column of *type_*."""
    type_ = plain_type(type_)
    match family_of(type_):
        case "integer":
            small = isinstance(type_, sa.SmallInteger)
            return "int2" if small else "int8" if isinstance(type_, sa.BigInteger) else "int4"
        case "numeric":
            return "number" if is_native(type_) or isinstance(type_, AsStored) else "decimal"
        case "float":
            is_single = isinstance(type_, sa.REAL) or (type_.precision or 53) <= 24
            return "other" if is_single else "float"
        case "text" if isinstance(type_, sa.CHAR):
            return "char"
        case "array" | "range" | "tsvector" | "other":
            return "null" if isinstance(type_, sa.types.NullType) else "other"
        case found:
            return found


def _inside(element: Any) -> Kind:
    inner = element.element
    if isinstance(inner, sa.SelectBase):
        return _of_selected(inner, 0) if len(list(inner.selected_columns)) == 1 else "row"
    return kind_of(inner)


def _of_column(column: Any) -> Kind:
    """That of what a subquery selects: SQLAlchemy does not know all types, and SQLite stores none."""
    query = table_of(column.table)
    if isinstance(query, sa.SelectBase):
        at = next(at for at, each in enumerate(column.table.c) if each.key == column.key)
        # What a request brings is made by functions that nobody else calls, and has the types that are told of it.
        found = _known(_of_selected, query, at)
        if found not in ("null", "other"):
            return found
    return kind_of_type(column.type)


def _of_selected(query: Any, at: int) -> Kind:
    """The kind of the column *at* this place, in each part of a UNION."""
    parts = _parts(query)
    if any(isinstance(each, sa.CTE) and each.recursive for each in visitors.iterate(query)):
        # The others select from the first, and what it becomes.
        parts = parts[:1]
    return _common([list(part.selected_columns)[at] for part in parts], query)


def _parts(query: Any) -> list[Any]:
    while isinstance(query, s.SelectStatementGrouping):
        query = query.element
    return (
        [part for each in query.selects for part in _parts(each)] if isinstance(query, sa.CompoundSelect) else [query]
    )


def is_made(element: Any) -> bool:
    """Whether *element* is computed, and has the affinity and the collation of no column."""
    is_stored = isinstance(element, sa.ColumnClause) and not isinstance(table_of(element.table), sa.SelectBase)
    return not is_stored and not isinstance(element, e.BindParameter)


def _of_parameter(element: Any) -> Kind:
    kind = kind_of_type(element.type)
    value = element.value
    if kind != "null" or value is None:
        return _of_number(kind, value)
    if element.expanding and isinstance(value, list | tuple):
        value = next((each for each in value if each is not None), None)
    return next((found for class_, found in _OF_A_VALUE if isinstance(value, class_)), "null")


def _of_number(kind: Kind, value: Any) -> Kind:
    """SQLAlchemy takes every whole number for a small one."""
    return "int8" if kind == "int4" and isinstance(value, int) and not -(2**31) <= value < 2**31 else kind


def _of_unary(element: Any) -> Kind:
    operator, modifier = element.operator, element.modifier
    if operator is None or operator is op.distinct_op:
        if modifier in (op.desc_op, op.asc_op, op.nulls_first_op, op.nulls_last_op, op.distinct_op, None):
            return kind_of(element.element)
    elif operator in _BOOLEANS:
        return "boolean"
    elif operator is op.neg:
        kind = kind_of(element.element)
        if kind in NUMBERS:
            return kind
        raise Unlike(f"minus a value that is {_named(kind)}", "Give it a number, or cast() to one.", element)
    raise Unlike("", _ASK_POSTGRESQL, element)


def _of_binary(element: Any) -> Kind:
    operator = element.operator
    if operator in EQUALS or operator in RANKS:
        _comparable(element.left, element.right, element, ranked=operator in RANKS)
        return "boolean"
    if operator in LISTS:
        for each in _listed(element.right):
            _comparable(element.left, each, element, ranked=False, listed=True)
        return "boolean"
    if operator in BETWEEN:
        if element.modifiers.get("symmetric"):
            raise Unlike("BETWEEN SYMMETRIC", "Write the lesser bound first, without symmetric=.", element)
        for each in element.right.clauses:
            _comparable(element.left, each, element, ranked=True)
        return "boolean"
    if operator in IS:
        kind_of(element.left)
        if not isinstance(_bare(element.right), e.Null | e.True_ | e.False_):
            raise Unlike(
                "is_() of another value than None, True or False", "Write == or .is_not_distinct_from().", element
            )
        return "boolean"
    if operator in LIKES:
        _is_a("text", element.left, element)
        _is_a("text", element.right, element)
        escape = element.modifiers.get("escape")
        if escape is not None and len(escape) != 1:
            raise Unlike("an escape of several letters", 'Write one letter, as escape="/".', element)
        return "boolean"
    if operator is op.concat_op:
        _is_a("text", element.left, element)
        _is_a("text", element.right, element)
        return "text"
    if operator in ARITHMETIC:
        return _of_arithmetic([element.left, element.right], element)
    if operator in JSON_ITEMS:
        return _of_item(element)
    if operator is op.collate:
        if element.right.collation != "C":
            raise Unlike(f"the collation {element.right.collation}", COLLATE)
        return _is_a("text", element.left, element)
    raise Unlike("an operator that means something else, or nothing, there", _ASK_POSTGRESQL, element)


def _listed(right: Any) -> list[Any]:
    while isinstance(right, e.Grouping):
        right = right.element
    if isinstance(right, sa.Tuple) or not isinstance(right, e.ClauseList | e.ExpressionClauseList):
        return [right]
    return list(right.clauses)


def _comparable(left: Any, right: Any, whole: Any, *, ranked: bool, listed: bool = False) -> None:
    one, other = _bare(left), _bare(right)
    if isinstance(one, sa.Tuple) or isinstance(other, sa.Tuple):
        _rows_comparable(one, other, whole, ranked=ranked)
        return
    first, second = kind_of(left), kind_of(right)
    if "null" in (first, second):
        first = second = first if second == "null" else second
    if not _go_together(first, second, listed):
        raise Unlike(f"a value that is {_named(first)} compared with one that is {_named(second)}", _WHOLE, whole)
    if first == "json":
        raise Unlike("JSON compared", 'Take the value out: column["key"].as_string() == ….', whole)
    if first == "enum" and not _of_one_enum(one, other):
        raise Unlike("two enums compared", "Compare values of one enum.", whole)
    if listed and (first == "interval" or (_is_number(one, first) and not isinstance(other, e.BindParameter))):
        raise Unlike("a list beside what is computed", "Join comparisons by ==, with or_().", whole)
    if ranked:
        _sortable(first, whole, one, other)


def _is_number(element: Any, kind: Kind) -> bool:
    return kind in ("number", "decimal") and is_made(element)


def _sortable(kind: Kind, whole: Any, *sides: Any) -> None:
    if kind == "text":
        other = next((each.type.collation for each in sides if getattr(each.type, "collation", None)), "C")
        if other != "C":
            raise Unlike(f"the collation {other}", COLLATE, whole)
    elif kind not in _SORTED and kind != "interval":
        raise Unlike(f"the order of values that are {_named(kind)}", _WHOLE, whole)


#: What SQLite compares as it is, wherever it comes from.
_IN_ROWS: Final[frozenset[Kind]] = MOMENTS | {"boolean", "float", "text", "uuid", "enum", "time", "bytes"}


def _rows_comparable(one: Any, other: Any, whole: Any, *, ranked: bool) -> None:
    """Rows are compared one value after the other."""
    if isinstance(other, e.BindParameter):
        columns = list(getattr(other.type, "types", ()))
        kinds = [kind_of_type(each) for each in columns] if columns else [kind_of(each) for each in one.clauses]
    elif isinstance(other, sa.Tuple):
        kinds = [kind_of(each) for each in other.clauses]
    else:
        inner = getattr(other, "element", other)
        kinds = [kind_of(each) for each in getattr(inner, "selected_columns", ())]
    sides = list(getattr(one, "clauses", ()))
    if len(kinds) != len(sides):
        raise Unlike("rows of different length", "Compare as many values on both sides.", whole)
    for side, kind in zip(sides, kinds, strict=True):
        mine = kind_of(side)
        if "null" not in (mine, kind) and not ({mine, kind} <= _WHOLE_ONES or (mine == kind and mine in _IN_ROWS)):
            raise Unlike(
                f"rows of values that are {_named(mine)} and {_named(kind)}",
                "Compare each value on its own: and_(a == …, b == …).",
                whole,
            )
        if ranked:
            _sortable(mine, whole)


def _go_together(first: Kind, second: Kind, listed: bool) -> bool:
    if first == second or {first, second} == {"char", "text"}:
        return not listed or first != "char"
    if first in NUMBERS and second in NUMBERS:
        return not listed or {first, second} <= {*_WHOLE_ONES, "number"} or "float" not in (first, second)
    return first in MOMENTS and second in MOMENTS and not listed


def _of_one_enum(one: Any, other: Any) -> bool:
    labels = [getattr(each.type, "enums", None) for each in (one, other) if hasattr(each, "type")]
    return len({tuple(each) for each in labels if each is not None}) <= 1


def _of_arithmetic(values: Iterable[Any], whole: Any) -> Kind:
    sign, (found, *others) = ARITHMETIC[whole.operator], map(kind_of, values)
    for other in others:
        made = arithmetic(sign, found, other)
        if made is None:
            raise Unlike(
                f"{_named(found)} {sign} {_named(other)}",
                _CAST_WHOLE
                if "whole" in (found, other)
                else "Of numbers write + - * / %; of moments + and - of a timedelta, or of one another.",
                whole,
            )
        found = made
    return found


def arithmetic(sign: str, left: Kind, right: Kind) -> Kind | None:
    """What PostgreSQL makes of two kinds; ``None`` where it is not known to be the same here.

    >>> arithmetic("+", "int2", "int8"), arithmetic("/", "int4", "int4"), arithmetic("-", "date", "date")
    ('int8', 'decimal', 'int4')
    >>> arithmetic("+", "boolean", "int4") is None
    True
    """
    both = {left, right}
    if both <= frozenset(INTEGERS):
        return "decimal" if sign == "/" else max(left, right)
    if both <= NUMBERS:
        if sign in ("//", "%"):
            return None
        return "float" if "float" in both else "decimal"
    if sign not in ("+", "-"):
        return None
    if right == "interval" and left in ("timestamp", "timestamptz", "date", "interval"):
        return "timestamp" if left == "date" else left
    if sign == "+":
        swapped = {("interval", "timestamp"), ("interval", "timestamptz"), ("interval", "date"), ("int4", "date")}
        return arithmetic("+", right, left) if (left, right) in swapped else "date" if _moves(left, right) else None
    if left == right and left in MOMENTS:
        return "int4" if left == "date" else "interval"
    return "date" if _moves(left, right) else None


def _moves(left: Kind, right: Kind) -> bool:
    return left == "date" and right in ("int2", "int4")


#: What is taken out of JSON, by the type that the taking has.
_ITEMS: Final[frozenset[Kind]] = frozenset({"text", "int4", "int8", "float", "decimal", "boolean", "json"})


def _of_item(element: Any) -> Kind:
    _is_a("json", element.left, element)
    keys = item_keys(element)
    if keys is None:
        raise Unlike("a key of JSON that is no constant", 'Write it as a text: column["key"].', element)
    if any(isinstance(key, str) and ('"' in key or "\\" in key) for key in keys):
        raise Unlike("a key of JSON with a quote or a backslash", _ASK_POSTGRESQL, element)
    kind = kind_of_type(element.type)
    if kind not in _ITEMS:
        raise Unlike(
            f"a value of JSON as {_named(kind)}",
            "Take it by .as_string(), .as_integer(), .as_boolean() or .as_float().",
            element,
        )
    return kind


def item_keys(element: Any) -> tuple[str | int, ...] | None:
    """The keys of a path into JSON; ``None`` where they are not constant."""
    value = getattr(element.right, "value", None)
    keys = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not isinstance(element.right, e.BindParameter) or hasattr(element.right, "me_source"):
        return None
    return keys if all(isinstance(key, str | int) for key in keys) else None


#: What may be cast to what: by SQLite itself, or by `rendered`.
CASTS: Final[dict[Kind, frozenset[Kind]]] = {
    "text": frozenset(
        {"text", *INTEGERS, "float", "decimal", "boolean", "uuid", "date", "timestamp", "timestamptz", "time"}
    ),
    "int2": frozenset({*INTEGERS, "float", "decimal", "text"}),
    "int4": frozenset({*INTEGERS, "float", "decimal", "text", "boolean"}),
    "int8": frozenset({*INTEGERS, "float", "decimal", "text"}),
    "number": frozenset({*INTEGERS, "float", "decimal"}),
    "whole": frozenset({*INTEGERS, "float", "decimal", "text"}),
    "decimal": frozenset({*INTEGERS, "float", "decimal"}),
    "float": frozenset({*INTEGERS, "float"}),
    "boolean": frozenset({"boolean", "int4", "text"}),
    "uuid": frozenset({"uuid", "text"}),
    "enum": frozenset({"text"}),
    "date": frozenset({"date", "timestamp", "timestamptz", "text"}),
    "time": frozenset({"time"}),
    "timestamp": frozenset({"timestamp", "timestamptz", "date"}),
    "timestamptz": frozenset({"timestamp", "timestamptz", "date"}),
}


def _of_cast(element: Any) -> Kind:
    source, target = kind_of(element.clause), kind_of_type(element.type)
    sized = getattr(element.type, "length", None) or (target in ("number", "decimal") and element.type.precision)
    if source == "null":
        return target
    if target not in CASTS.get(source, frozenset()) or sized:
        raise Unlike(
            f"{_named(source)} cast to {shown(element.type)}",
            "Cast texts, and numbers to numbers, to types without a size; compare the others as they are.",
            element,
        )
    return target


def _of_coerced(element: Any) -> Kind:
    source, target = kind_of(element.clause), kind_of_type(element.type)
    if source != target and "null" not in (source, target):
        raise Unlike(
            f"{_named(source)} taken for {_named(target)}, which it is not",
            "Write cast(), which makes one of the other.",
            element,
        )
    return target


def _of_case(element: Any) -> Kind:
    if element.value is not None:
        for when, _ in element.whens:
            _comparable(element.value, when, element, ranked=False)
    return _common([*(then for _, then in element.whens), element.else_], element)


def _common(given: list[Any], whole: Any) -> Kind:
    """The one kind of values any of which may be the result."""
    kinds = {kind_of(each) for each in given if each is not None} - {"null"}
    if not kinds:
        return "null"
    if len(kinds) == 1:
        return kinds.pop()
    if kinds <= _WHOLE_ONES:
        return max(kinds)
    if kinds <= NUMBERS and not ("float" in kinds and kinds & FINER):
        return "float" if "float" in kinds else "decimal"
    told = " and ".join(sorted(map(_named, kinds)))
    raise Unlike(f"values of several kinds, {told}, as one", _WHOLE, whole)


#: What is taken out of moments, and out of which.
EXTRACTS: Final[dict[str, frozenset[Kind]]] = {
    **dict.fromkeys(("year", "month", "day", "dow", "doy"), MOMENTS),
    **dict.fromkeys(("hour", "minute"), frozenset[Kind]({"timestamp", "timestamptz"})),
}


def _of_extract(element: Any) -> Kind:
    kind = kind_of(element.expr)
    if kind not in EXTRACTS.get(element.field, frozenset()):
        raise Unlike(f"extract({element.field}) of a value that is {_named(kind)}", _TAKEN_OUT)
    return "whole"


_TAKEN_OUT: Final = "Take out year, month, day, hour, minute, dow or doy of a date or datetime."

_Judge = Callable[[list[Any], Any], Kind]


def _all(wanted: Kind, gives: Kind | None = None) -> _Judge:
    def judge(given: list[Any], whole: Any) -> Kind:
        for each in given:
            _is_a(wanted, each, whole)
        return gives or wanted

    return judge


def _gives(kind: Kind) -> _Judge:
    def judge(given: list[Any], whole: Any) -> Kind:
        if given:
            raise Unlike(f"{shown(whole)} with an argument", "Leave the argument out.")
        return kind

    return judge


def _length(given: list[Any], whole: Any) -> Kind:
    if len(given) != 1 or kind_of(given[0]) not in ("text", "bytes"):
        raise Unlike("the length of what is no text", "Ask for the length of a text.", whole)
    return "int4"


def _substring(given: list[Any], whole: Any) -> Kind:
    _is_a("text", given[0], whole)
    for least, each in zip((1, 0), map(_bare, given[1:]), strict=False):
        value = getattr(each, "value", None)
        if not isinstance(value, int) or value < least:
            hint = "Count from 1, by constants."
            raise Unlike("a part of a text from elsewhere than its start", hint, whole)
    return "text"


def _extreme(given: list[Any], whole: Any) -> Kind:
    if len(given) != 1:
        raise Unlike(f"{whole.name}() of several values", "Write case(), or a subquery.", whole)
    kind = kind_of(given[0])
    if kind in ("boolean", "uuid", "bytes", "interval"):
        raise Unlike(f"{whole.name}() of a value that is {_named(kind)}", "Write exists().where(…).")
    _sortable(kind, whole, _bare(given[0]))
    return kind


def _sum(given: list[Any], whole: Any) -> Kind:
    kind = kind_of(given[0])
    if kind not in INTEGERS:
        raise Unlike(f"the sum of values that are {_named(kind)}", "Add whole numbers: cents, seconds, bytes.")
    return "whole" if kind == "int8" else "int8"


def _absolute(given: list[Any], whole: Any) -> Kind:
    kind = kind_of(given[0])
    if kind not in (*INTEGERS, "whole", "float", "number"):
        hint = "Compare with both bounds." if kind in NUMBERS else "Give it a number, or cast() to one."
        raise Unlike(f"abs() of a value that is {_named(kind)}", hint)
    return kind


def _nullif(given: list[Any], whole: Any) -> Kind:
    left, right = given
    _comparable(left, right, whole, ranked=False)
    return kind_of(left)


def _count(given: list[Any], whole: Any) -> Kind:
    return "int8"


#: Functions whose meaning is known to be the same, by what they take and give.
FUNCTIONS: Final[dict[str, _Judge]] = {
    **dict.fromkeys(("now", "current_timestamp"), _gives("timestamptz")),
    "localtimestamp": _gives("timestamp"),
    "current_date": _gives("date"),
    "coalesce": _common,
    "nullif": _nullif,
    **dict.fromkeys(("lower", "upper", "trim", "ltrim", "rtrim", "replace", "concat"), _all("text")),
    **dict.fromkeys(("length", "char_length", "octet_length"), _length),
    **dict.fromkeys(("substr", "substring"), _substring),
    "count": _count,
    **dict.fromkeys(("max", "min"), _extreme),
    "sum": _sum,
    "abs": _absolute,
}
_INSTEAD: Final = {
    "character_length": "Write func.length().",
    **dict.fromkeys(("greatest", "least"), "Write case()."),
    **dict.fromkeys(("ifnull", "isnull"), "Write func.coalesce()."),
    **dict.fromkeys(("iif", "if"), "Write case()."),
    **dict.fromkeys(("round", "ceil", "ceiling", "floor", "trunc"), "Compare with both bounds."),
    "avg": "Compare func.sum(x) with func.count() * value.",
    **dict.fromkeys(("strftime", "date", "time", "datetime", "julianday", "unixepoch"), _TAKEN_OUT),
    **dict.fromkeys(("date_trunc", "date_part", "age"), f"{_TAKEN_OUT}  Or compare with both bounds."),
    **dict.fromkeys(("glob", "like", "regexp"), "Write .like(), .ilike() or .startswith()."),
    **dict.fromkeys(("localtime", "current_time"), "Compare moments: func.now()."),
    **dict.fromkeys(("clock_timestamp", "statement_timestamp", "transaction_timestamp"), "Write func.now()."),
    **dict.fromkeys(("random", "randomblob", "gen_random_uuid"), "Leave chance out: a rule says the same each time."),
}


def _of_function(element: Any) -> Kind:
    name = function_name(element)
    judge = FUNCTIONS.get(name)
    if judge is None or getattr(element, "packagenames", None):
        raise Unlike(f"the function {name}()", _INSTEAD.get(name, _ASK_POSTGRESQL))
    return judge([*element.clauses], element)


def _is_a(wanted: Kind, element: Any, whole: Any) -> Kind:
    kind = kind_of(element)
    if kind not in (wanted, "null"):
        hint = _WHOLE if kind != "char" else "Declare it as String or Text."
        raise Unlike(f"a value that is {_named(kind)} as {_named(wanted)}", hint, whole)
    return wanted


def _judge_query(element: Any) -> None:
    if isinstance(element, sa.Over | sa.WithinGroup):
        raise Unlike("a window", _NO_WINDOW, element)
    if isinstance(element, s.Lateral):
        raise Unlike("a lateral subquery", "Ask by exists(), or for one value by scalar_subquery().")
    if isinstance(element, sa.Values):
        raise Unlike("rows of values", "Write .in_([…]), of tuple_(…) for rows, or ask a table.")
    if isinstance(element, sa.CompoundSelect) and element.keyword in _NOT_THERE:
        raise Unlike(element.keyword.value, "Write intersect() or except_(), or ask by exists().")
    if isinstance(element, sa.TableValuedAlias):
        raise Unlike("rows of a function", _ASK_POSTGRESQL, element)
    if isinstance(element, s.GenerativeSelect):
        for clause in element._order_by_clauses:
            inner = sorted_by(clause)
            _sortable(kind_of(inner), inner, inner)
        for clause in element._group_by_clauses:
            _told_apart(clause)
    if isinstance(element, sa.Select) and element._distinct:
        for column in element.selected_columns:
            _told_apart(column)
    if isinstance(element, sa.UnaryExpression) and element.operator is op.distinct_op:
        _told_apart(element.element)
    if isinstance(element, sa.CompoundSelect) and element.keyword not in _ALL:
        _judge_set(element)


_NOT_THERE: Final = frozenset({s._CompoundSelectKeyword.INTERSECT_ALL, s._CompoundSelectKeyword.EXCEPT_ALL})
_ALL: Final = frozenset(
    {s._CompoundSelectKeyword.UNION_ALL, s._CompoundSelectKeyword.INTERSECT_ALL, s._CompoundSelectKeyword.EXCEPT_ALL}
)


def _judge_set(element: Any) -> None:
    """SQLite tells rows apart by what is stored of them, whatever each part of the set has."""
    for beside in zip(*(part.selected_columns for part in _parts(element)), strict=False):
        kinds = {kind_of(each) for each in beside} - {"null"}
        if len(kinds) > 1 and not kinds <= _WHOLE_ONES:
            told = " and ".join(sorted(map(_named, kinds)))
            raise Unlike(f"a set of values of several kinds, {told}", _WHOLE)
        for each in beside:
            _told_apart(each)


def _told_apart(value: Any) -> None:
    value, kind = _bare(value), kind_of(value)
    if kind in ("interval", "json", "char", "other") or _is_number(value, kind):
        told = f"values that are {_named(kind)}" + (" and computed" if _is_number(value, kind) else "")
        raise Unlike(f"{told} told apart by DISTINCT, GROUP BY or a set", "Ask by exists() and ==.", value)


def _bare(element: Any) -> Any:
    while isinstance(element, e.Grouping | sa.Label):
        element = element.element
    return element


_NAMES: Final[dict[Kind, str]] = {
    "int2": "integer",
    "int4": "integer",
    "int8": "integer",
    "number": "numeric",
    "decimal": "numeric",
    "whole": "numeric",
    "other": "of a type that is not known there",
    "null": "NULL",
    "row": "a row",
    "json": "JSON",
    "enum": "an enum",
}


def _named(kind: Kind) -> str:
    return _NAMES.get(kind, kind)

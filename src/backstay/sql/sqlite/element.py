"""Of what kind each part of a rule is, by what PostgreSQL makes of its own parts.

What is not listed is refused: nobody knows what it means on both databases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.sql import elements as e
from sqlalchemy.sql import operators as op
from sqlalchemy.sql import selectable as s
from sqlalchemy.sql import visitors
from sqlalchemy.sql.functions import FunctionElement

from backstay.catalog.shown import shown
from backstay.catalog.standing import function_name, table_of
from backstay.sql.chosen import BETWEEN, COLLATE, RANKS
from backstay.sql.sqlite.kind import (
    CASTS,
    EXTRACTS,
    FINER,
    IN_ROWS,
    INTEGERS,
    ITEMS,
    NUMBERS,
    SORTED,
    WHOLE_ONES,
    Kind,
    arithmetic,
    go_together,
    kind_of_type,
    listed,
    named,
)
from backstay.sql.sqlite.operators import ARITHMETIC, BOOLEANS, EQUALS, IS, JSON_ITEMS, LIKES, LISTS
from backstay.sql.unlike import Unlike

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
ONE_KIND: Final = "Compare values of one kind, or cast() one of them."
CAST_WHOLE: Final = "Cast what is taken out or summed: cast(func.sum(…), BigInteger) // 2."
ASK_POSTGRESQL: Final = "Use PostgreSQL for it, or say it by what the reference of policies lists."


def known(tell: Callable[..., Kind], *of: Any) -> Kind:
    """What *tell* says, and "other" of what is of one database alone."""
    try:
        return tell(*of)
    except Unlike:
        return "other"


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
            raise Unlike("a window", "Ask by exists() and func.count() of a subquery.", element)
        case _:
            raise Unlike("", ASK_POSTGRESQL, element)


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
        found = known(_of_selected, query, at)
        if found not in ("null", "other"):
            return found
    return kind_of_type(column.type)


def _of_selected(query: Any, at: int) -> Kind:
    """The kind of the column *at* this place, in each part of a UNION."""
    parts = parts_of(query)
    if any(isinstance(each, sa.CTE) and each.recursive for each in visitors.iterate(query)):
        # The others select from the first, and what it becomes.
        parts = parts[:1]
    return _common([list(part.selected_columns)[at] for part in parts], query)


def parts_of(query: Any) -> list[Any]:
    """The parts of a UNION or its like; of any other *query* itself."""
    while isinstance(query, s.SelectStatementGrouping):
        query = query.element
    if not isinstance(query, sa.CompoundSelect):
        return [query]
    return [part for each in query.selects for part in parts_of(each)]


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
    elif operator in BOOLEANS:
        return "boolean"
    elif operator is op.neg:
        kind = kind_of(element.element)
        if kind in NUMBERS:
            return kind
        raise Unlike(f"minus a value that is {named(kind)}", "Give it a number, or cast() to one.", element)
    raise Unlike("", ASK_POSTGRESQL, element)


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
        if not isinstance(bare(element.right), e.Null | e.True_ | e.False_):
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
    raise Unlike("an operator that means something else, or nothing, there", ASK_POSTGRESQL, element)


def _listed(right: Any) -> list[Any]:
    while isinstance(right, e.Grouping):
        right = right.element
    if isinstance(right, sa.Tuple) or not isinstance(right, e.ClauseList | e.ExpressionClauseList):
        return [right]
    return list(right.clauses)


def _comparable(left: Any, right: Any, whole: Any, *, ranked: bool, listed: bool = False) -> None:
    one, other = bare(left), bare(right)
    if isinstance(one, sa.Tuple) or isinstance(other, sa.Tuple):
        _rows_comparable(one, other, whole, ranked=ranked)
        return
    first, second = kind_of(left), kind_of(right)
    if "null" in (first, second):
        first = second = first if second == "null" else second
    if not go_together(first, second, listed):
        raise Unlike(f"a value that is {named(first)} compared with one that is {named(second)}", ONE_KIND, whole)
    if first == "json":
        raise Unlike("JSON compared", 'Take the value out: column["key"].as_string() == ….', whole)
    if first == "enum" and not _of_one_enum(one, other):
        raise Unlike("two enums compared", "Compare values of one enum.", whole)
    if listed and (first == "interval" or (is_computed_decimal(one, first) and not isinstance(other, e.BindParameter))):
        raise Unlike("a list beside what is computed", "Join comparisons by ==, with or_().", whole)
    if ranked:
        sortable(first, whole, one, other)


def is_computed_decimal(element: Any, kind: Kind) -> bool:
    return kind in ("number", "decimal") and is_made(element)


def sortable(kind: Kind, whole: Any, *sides: Any) -> None:
    """Refuse an order of values of *kind* that SQLite has otherwise, in *whole*, where *sides* are compared."""
    if kind == "text":
        other = next((each.type.collation for each in sides if getattr(each.type, "collation", None)), "C")
        if other != "C":
            raise Unlike(f"the collation {other}", COLLATE, whole)
    elif kind not in SORTED and kind != "interval":
        raise Unlike(f"the order of values that are {named(kind)}", ONE_KIND, whole)


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
        if "null" not in (mine, kind) and not ({mine, kind} <= WHOLE_ONES or (mine == kind and mine in IN_ROWS)):
            raise Unlike(
                f"rows of values that are {named(mine)} and {named(kind)}",
                "Compare each value on its own: and_(a == …, b == …).",
                whole,
            )
        if ranked:
            sortable(mine, whole)


def _of_one_enum(one: Any, other: Any) -> bool:
    labels = [getattr(each.type, "enums", None) for each in (one, other) if hasattr(each, "type")]
    return len({tuple(each) for each in labels if each is not None}) <= 1


def _of_arithmetic(values: Iterable[Any], whole: Any) -> Kind:
    sign, (found, *others) = ARITHMETIC[whole.operator], map(kind_of, values)
    for other in others:
        made = arithmetic(sign, found, other)
        if made is None:
            raise Unlike(
                f"{named(found)} {sign} {named(other)}",
                CAST_WHOLE
                if "whole" in (found, other)
                else "Of numbers write + - * / %; of moments + and - of a timedelta, or of one another.",
                whole,
            )
        found = made
    return found


def _of_item(element: Any) -> Kind:
    _is_a("json", element.left, element)
    keys = item_keys(element)
    if keys is None:
        raise Unlike("a key of JSON that is no constant", 'Write it as a text: column["key"].', element)
    if any(isinstance(key, str) and ('"' in key or "\\" in key) for key in keys):
        raise Unlike("a key of JSON with a quote or a backslash", ASK_POSTGRESQL, element)
    kind = kind_of_type(element.type)
    if kind not in ITEMS:
        raise Unlike(
            f"a value of JSON as {named(kind)}",
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


def _of_cast(element: Any) -> Kind:
    source, target = kind_of(element.clause), kind_of_type(element.type)
    sized = getattr(element.type, "length", None) or (target in ("number", "decimal") and element.type.precision)
    if source == "null":
        return target
    if target not in CASTS.get(source, frozenset()) or sized:
        raise Unlike(
            f"{named(source)} cast to {shown(element.type)}",
            "Cast texts, and numbers to numbers, to types without a size; compare the others as they are.",
            element,
        )
    return target


def _of_coerced(element: Any) -> Kind:
    source, target = kind_of(element.clause), kind_of_type(element.type)
    if source != target and "null" not in (source, target):
        raise Unlike(
            f"{named(source)} taken for {named(target)}, which it is not",
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
    if kinds <= WHOLE_ONES:
        return max(kinds)
    if kinds <= NUMBERS and not ("float" in kinds and kinds & FINER):
        return "float" if "float" in kinds else "decimal"
    raise Unlike(f"values of several kinds, {listed(kinds)}, as one", ONE_KIND, whole)


def _of_extract(element: Any) -> Kind:
    kind = kind_of(element.expr)
    if kind not in EXTRACTS.get(element.field, frozenset()):
        raise Unlike(f"extract({element.field}) of a value that is {named(kind)}", TAKEN_OUT)
    return "whole"


TAKEN_OUT: Final = "Take out year, month, day, hour, minute, dow or doy of a date or datetime."
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
    for least, each in zip((1, 0), map(bare, given[1:]), strict=False):
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
        raise Unlike(f"{whole.name}() of a value that is {named(kind)}", "Write exists().where(…).")
    sortable(kind, whole, bare(given[0]))
    return kind


def _sum(given: list[Any], whole: Any) -> Kind:
    kind = kind_of(given[0])
    if kind not in INTEGERS:
        raise Unlike(f"the sum of values that are {named(kind)}", "Add whole numbers: cents, seconds, bytes.")
    return "whole" if kind == "int8" else "int8"


def _absolute(given: list[Any], whole: Any) -> Kind:
    kind = kind_of(given[0])
    if kind not in (*INTEGERS, "whole", "float", "number"):
        hint = "Compare with both bounds." if kind in NUMBERS else "Give it a number, or cast() to one."
        raise Unlike(f"abs() of a value that is {named(kind)}", hint)
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
    **dict.fromkeys(("strftime", "date", "time", "datetime", "julianday", "unixepoch"), TAKEN_OUT),
    **dict.fromkeys(("date_trunc", "date_part", "age"), f"{TAKEN_OUT}  Or compare with both bounds."),
    **dict.fromkeys(("glob", "like", "regexp"), "Write .like(), .ilike() or .startswith()."),
    **dict.fromkeys(("localtime", "current_time"), "Compare moments: func.now()."),
    **dict.fromkeys(("clock_timestamp", "statement_timestamp", "transaction_timestamp"), "Write func.now()."),
    **dict.fromkeys(("random", "randomblob", "gen_random_uuid"), "Leave chance out: a rule says the same each time."),
}


def _of_function(element: Any) -> Kind:
    name = function_name(element)
    judge = FUNCTIONS.get(name)
    if judge is None or getattr(element, "packagenames", None):
        raise Unlike(f"the function {name}()", _INSTEAD.get(name, ASK_POSTGRESQL))
    return judge([*element.clauses], element)


def _is_a(wanted: Kind, element: Any, whole: Any) -> Kind:
    kind = kind_of(element)
    if kind not in (wanted, "null"):
        hint = ONE_KIND if kind != "char" else "Declare it as String or Text."
        raise Unlike(f"a value that is {named(kind)} as {named(wanted)}", hint, whole)
    return wanted


def bare(element: Any) -> Any:
    """*element* without its brackets and names."""
    while isinstance(element, e.Grouping | sa.Label):
        element = element.element
    return element

"""How PostgreSQL says it.

Values of requests travel as text and are cast where they stand (``CAST($1::VARCHAR AS UUID)``): PostgreSQL's own input
functions read them, so every type it has works, with its own messages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.engine import Dialect as SaDialect

from backstay.budget import DEFAULT_BUDGET
from backstay.catalog import Column, Family, family_of, plain_type
from backstay.catalog.geometry import Spatial, spatial_of
from backstay.catalog.opaque import Composite, Opaque
from backstay.errors import PlanError
from backstay.plan.coerce import coercion
from backstay.plan.intent import Compare
from backstay.plan.pattern import bounded_pattern, like_pattern
from backstay.plan.tsquery import bounded_search
from backstay.request.field import Step
from backstay.request.filters import Slot, Value
from backstay.sql.casts import postgresql_type
from backstay.sql.chosen import chosen
from backstay.sql.dialect import COMPARISONS, Expression, Listed, SqlDialect, Typed, defaults
from backstay.sql.explain import POSTGRESQL
from backstay.sql.function import call
from backstay.sql.misleading import misleading
from backstay.sql.notation import field
from backstay.sql.parameters import SlotParameter
from backstay.sql.quoted import quoted
from backstay.sql.single import several
from backstay.sql.statement import Statement

#: PostgreSQL takes at most 100 arguments to a function: 50 keys.
_MAX_PAIRS: Final = 50
_PATTERNS: Final = {"like": "LIKE", "ilike": "ILIKE", "match": "~", "imatch": "~*"}
_SETS: Final = {"cs": "@>", "cd": "<@", "ov": "&&", "sl": "<<", "sr": ">>", "nxr": "&<", "nxl": "&>", "adj": "-|-"}
_SEARCHES: Final = {
    "fts": "to_tsquery",
    "plfts": "plainto_tsquery",
    "phfts": "phraseto_tsquery",
    "wfts": "websearch_to_tsquery",
}
#: Which of these functions, some of them with a schema, are VOLATILE: a name may stand for several.
_VOLATILE: Final = """\
SELECT DISTINCT asked.name
FROM unnest($1::text[]) AS asked (name), pg_catalog.pg_proc AS known
JOIN pg_catalog.pg_namespace AS home ON home.oid = known.pronamespace
WHERE known.provolatile = 'v'
  AND (asked.name = lower(home.nspname || '.' || known.proname)
    OR asked.name = lower(known.proname) AND pg_catalog.pg_function_is_visible(known.oid))
ORDER BY asked.name"""
#: Checked before SQL runs; the other families are left to PostgreSQL, which reads more spellings than we do.
_CHECKED: Final[frozenset[Family]] = frozenset({"integer", "boolean", "uuid", "text"})


def postgresql(dialect: SaDialect, *, answer_bytes: int = DEFAULT_BUDGET.answer_bytes) -> SqlDialect:
    """PostgreSQL through SQLAlchemy's *dialect* (its parameter style decides who can run the statements).

    A text of more than *answer_bytes* is an error of the statement: see `_whole`.
    """
    longest = sa.literal_column(str(answer_bytes), sa.Integer())
    return SqlDialect(
        name="postgresql",
        compiler=dialect,
        json_object=_json_object,
        json_array=lambda value: sa.func.coalesce(sa.func.json_agg(value), sa.literal_column("'[]'::json")),
        nested=lambda value: value,
        body=lambda value: sa.cast(value, sa.Text()),
        whole=lambda text: _whole(text, longest),
        bounded=lambda page, values, streamed: _bounded(page, values, streamed, longest),
        stripped=lambda value: sa.func.json_strip_nulls(value, type_=sa.JSON()),
        csv=_csv,
        writes_inside=True,
        explain=POSTGRESQL,
        json_texts=_json_texts,
        json_value=_json_value,
        computed=lambda typed: typed,
        geometries=frozenset(("geojson", "geometry", "geography")),
        geojson=_geojson,
        sealed=_sealed,
        path=_path,
        unlike=lambda rows: chosen(rows) or several(rows) or misleading(rows),
        volatile=lambda names: Statement(_VOLATILE, (list(names),)),
        sort_key=_sort_key,
        tie_key=_tie_key,
        compare=_compare,
        search=_search,
        relevance=_relevance,
        indexed=frozenset({"tsvector"}),
        guard=_guard,
        cast=_cast,
        aggregate=_aggregate,
        integer=_integer,
        listed=_listed,
        pack=lambda rows, width: _columns([[text for text, _ in row] for row in rows], width),
        pack_keys=_columns,
        key_out=lambda column: sa.cast(column.sql, sa.Text()),
        stored=_stored,
        stored_type=lambda column: sa.Text(),
        pick=lambda pair: pair[0],
        insert=pg.insert,
        now=sa.func.now,
        try_lock=lambda number: sa.select(sa.func.pg_try_advisory_xact_lock(number)),
        default=lambda column: sa.literal_column("DEFAULT"),
        insert_nothing=lambda table: pg.insert(table).values(defaults(table, sa.literal_column("DEFAULT"))),
    )


def _whole(text: Expression, longest: Expression) -> Expression:
    """*text* if it has at most *longest* bytes.

    A statement cannot raise what it likes.  That a text is to be too long to exist is refused before anything is made
    of it, and by nothing else: ``db/failures.py`` knows it.
    """
    never = sa.func.repeat(text, sa.literal_column(str(2**31 - 1)), type_=sa.Text())
    return sa.case((sa.func.octet_length(text) <= longest, text), else_=never)


def _bounded(page: sa.FromClause, values: Sequence[Expression], streamed: bool, longest: Expression) -> sa.FromClause:
    """The rows of *page*, until *values* come to more than *longest* bytes: then an error, as in `_whole`.

    The length of a large value stands beside it: nothing is fetched for this, and large values are still only pointers.
    """
    # One length is an integer, whose sum is cheap; those of many columns may be more than one holds.
    total: Expression = sa.func.octet_length(values[0], type_=sa.Integer())
    if len(values) > 1:
        none: Expression = sa.literal_column("0")
        total = sa.cast(none, sa.BigInteger())
        for value in values:
            total = total + sa.func.coalesce(sa.func.octet_length(value), none)
    # Row by row, as they come.
    so_far: Any = total if streamed else sa.func.sum(total).over(rows=(None, 0))
    names = [str(column.name) for column in page.c]
    measured = sa.select(*page.c, so_far.label("_z")).select_from(page).subquery(f"{page.name}z")  # type: ignore[attr-defined]
    text = sa.cast(measured.c["_z"], sa.Text())
    never = sa.func.repeat(text, sa.literal_column(str(2**31 - 1)), type_=sa.Text()).is_(None)
    fits = sa.case((measured.c["_z"] <= longest, sa.true()), else_=never)
    return sa.select(*(measured.c[name] for name in names)).where(fits).subquery(f"{page.name}b")  # type: ignore[attr-defined]


def _json_object(pairs: Sequence[tuple[str, Expression]]) -> Expression:
    if len(pairs) <= _MAX_PAIRS:
        arguments = [part for key, value in pairs for part in (sa.literal(key, sa.Text()), value)]
        return sa.func.json_build_object(*arguments, type_=sa.JSON())
    chunks = [_json_object(pairs[i : i + _MAX_PAIRS]) for i in range(0, len(pairs), _MAX_PAIRS)]
    # Objects of one row are glued as text: ``{…`` + ``, …`` + ``}``.
    texts = [sa.func.substr(sa.cast(chunk, sa.Text()), 2) for chunk in chunks]
    inner = [sa.func.left(text, -1) for text in texts]
    glued = sa.func.concat(sa.literal_column("'{'"), *_joined(inner), sa.literal_column("'}'"))
    return sa.cast(glued, sa.JSON())


def _csv(pairs: Sequence[tuple[str, Expression]]) -> Expression:
    """A line of keys, and one for each row in PostgreSQL's notation of rows, without its parentheses."""
    row = sa.cast(sa.func.row(*(value for _, value in pairs)), sa.Text())
    line = sa.func.substr(row, sa.literal_column("2"), sa.func.length(row) - sa.literal_column("2"))
    lines = sa.func.coalesce(sa.func.string_agg(line, sa.literal_column("E'\\n'")), sa.literal_column("''"))
    keys = sa.literal(",".join(field(key) for key, _ in pairs), sa.Text())
    # Without a row PostgREST knows no keys either.
    header = sa.case((sa.func.count() > sa.literal_column("0"), keys), else_=sa.literal_column("''"))
    return sa.func.concat(header, sa.literal_column("E'\\n'"), lines)


def _json_texts(values: Sequence[Expression]) -> Expression:
    texts = [sa.func.to_json(value).op("#>>")(sa.literal_column("'{}'")) for value in values]
    return sa.cast(sa.func.json_build_array(*texts), sa.Text())


def _joined(parts: Sequence[Expression]) -> list[Expression]:
    out: list[Expression] = []
    for part in parts:
        out += [sa.literal_column("','"), part] if out else [part]
    return out


def _json_value(typed: Typed) -> Expression:
    return typed.expression


def _geojson(typed: Typed) -> Expression:
    spatial = spatial_of(typed.type)
    if spatial is None or spatial.kind == "geojson":
        return typed.expression
    # Nine digits, and a ``crs`` only where it is not that of GeoJSON: what PostGIS gives the geometry of a feature.
    if spatial.schema is None:
        return sa.cast(sa.func.st_asgeojson(typed.expression), sa.JSON())
    # The function stands beside the type, whose schema need not be on the search path.
    return sa.cast(call(spatial.schema, "st_asgeojson", typed.expression), sa.JSON())


def _sealed(stored: Expression, key: Sequence[Expression]) -> Expression:
    hexadecimal = sa.func.encode(stored, sa.literal_column("'hex'"))
    return sa.case((stored.is_not(None), sa.func.json_build_array(hexadecimal, *key, type_=sa.JSON())))


def _path(typed: Typed, path: tuple[Step, ...]) -> Typed:
    expression = typed.expression
    if family_of(typed.type) != "json":
        expression = sa.func.to_jsonb(expression)
    for step in path:
        # json_object_field takes text, json_array_element an integer: the parameter's type chooses.
        key = sa.literal(step.key, sa.Text() if isinstance(step.key, str) else sa.Integer())
        operator = "->>" if step.as_text else "->"
        expression = expression.op(operator, precedence=15, return_type=sa.Text() if step.as_text else pg.JSONB())(key)
    return Typed(expression, sa.Text() if path[-1].as_text else pg.JSONB())


def _sort_key(typed: Typed, path: tuple[Step, ...]) -> Expression:
    found = _path(typed, path) if path else typed
    # Plain json has no order; jsonb does.
    return sa.cast(found.expression, pg.JSONB()) if family_of(found.type) == "json" else found.expression


#: Types of these families need not have an order; their texts have.
_UNORDERED: Final[frozenset[Family]] = frozenset({"json", "array", "other"})


def _tie_key(typed: Typed) -> Expression:
    return sa.cast(typed.expression, sa.Text()) if family_of(typed.type) in _UNORDERED else typed.expression


def _compare(typed: Typed, condition: Compare) -> Expression:
    if condition.operand.path:
        typed = _path(typed, condition.operand.path)
        if family_of(typed.type) == "json":
            typed = Typed(sa.cast(typed.expression, pg.JSONB()), pg.JSONB())
    left, op, value = typed.expression, condition.op, condition.value
    if op == "is":
        return _is(left, str(value))
    if not isinstance(value, Slot):
        raise PlanError("PGRST100", f"the value of {op} was not taken out of the request")
    if op == "in":
        return left == _any(_many(value, typed.type))
    if op == "isdistinct":
        return left.is_distinct_from(_one(value, typed.type))
    operator = COMPARISONS.get(op) or _PATTERNS.get(op) or _SETS.get(op)
    if operator is None:
        raise PlanError("PGRST100", f"unknown operator {op}")
    type_: sa.types.TypeEngine[Any] = sa.Text() if op in _PATTERNS else typed.type
    if op in ("cs", "cd", "ov") and family_of(type_) == "json":
        left, type_ = sa.cast(left, pg.JSONB()), pg.JSONB()
    read = like_pattern if op in ("like", "ilike") else bounded_pattern if op in _PATTERNS else None
    if condition.quantifier is not None:
        folded = _any if condition.quantifier == "any" else _all
        right: Expression = folded(_many(value, type_, read))
    else:
        right = _one(value, type_, read)
    return left.op(operator, is_comparison=True, return_type=sa.Boolean())(right)


def _guard(condition: Compare) -> Expression | None:
    """PostgreSQL reads a value, a regular expression or a search only when a row is compared with it.

    A flaw would be reported only where there are rows, hidden ones too (AC4).  A condition without columns is decided
    once, before any row.
    """
    op, value = condition.op, condition.value
    if op in _SEARCHES:
        return _query(condition).is_not(None)
    type_ = _read_as(condition)
    if op == "is" or (op not in ("match", "imatch") and (bare(type_) is None or family_of(type_) in _CHECKED)):
        return None
    if condition.quantifier is None and op != "in":
        return _tried(op, _one(value, type_, bounded_pattern if op in _PATTERNS else None))
    texts = _many(value, sa.Text(), bounded_pattern if op in _PATTERNS else None)
    each = sa.func.unnest(texts).column_valued("_g")
    target = bare(type_)
    read = _tried(op, each if target is None else sa.cast(each, target))
    every = sa.select(sa.func.bool_and(read, type_=sa.Boolean())).scalar_subquery()
    return sa.func.coalesce(every, sa.true())


def _tried(op: str, value: Expression) -> Expression:
    if op not in ("match", "imatch"):
        return value.is_not(None)
    empty = sa.literal("", sa.Text())
    return empty.op("~", is_comparison=True, return_type=sa.Boolean())(value).is_not(None)


def _read_as(condition: Compare) -> sa.types.TypeEngine[Any]:
    """The type that the condition's value is read as."""
    if condition.op in _PATTERNS:
        return sa.Text()
    if condition.operand.path:
        return sa.Text() if condition.operand.path[-1].as_text else pg.JSONB()
    type_ = condition.operand.column.type
    return pg.JSONB() if condition.op in ("cs", "cd", "ov") and family_of(type_) == "json" else type_


def _is(left: Expression, word: str) -> Expression:
    match word:
        case "null":
            return left.is_(None)
        case "not_null":
            return left.is_not(None)
        case "true":
            return left.is_(sa.true())
        case "false":
            return left.is_(sa.false())
        case _:
            return left.op("IS", is_comparison=True, return_type=sa.Boolean())(sa.literal_column("UNKNOWN"))


def _search(source: sa.FromClause, typed: Typed, condition: Compare) -> Expression:
    vector, query = _searched(typed, condition)
    return vector.op("@@", is_comparison=True, return_type=sa.Boolean())(query)


def _relevance(source: sa.FromClause, typed: Typed, condition: Compare) -> Expression:
    return sa.func.ts_rank(*_searched(typed, condition), type_=sa.REAL())


def _searched(typed: Typed, condition: Compare) -> tuple[Expression, Expression]:
    """The words of the operand, and those that are looked for."""
    if condition.operand.path:
        typed = _path(typed, condition.operand.path)
    vector = typed.expression
    if family_of(typed.type) != "tsvector":
        vector = sa.func.to_tsvector(*_language(condition), vector)
    return vector, _query(condition)


def _language(condition: Compare) -> list[Expression]:
    named = condition.language or (condition.searchable.language if condition.searchable is not None else None)
    return [] if named is None else [sa.cast(sa.literal(named, sa.Text()), pg.REGCONFIG())]


def _query(condition: Compare) -> Expression:
    if not isinstance(condition.value, Slot):
        raise PlanError("PGRST100", f"the value of {condition.op} was not taken out of the request")
    text = SlotParameter.of(condition.value.index, bounded_search, sa.Text())
    found: Expression = getattr(sa.func, _SEARCHES[condition.op])(*_language(condition), text)
    return found


def bare(type_: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any] | None:
    """*type_* without length, precision or scale: ``CAST('toolong' AS VARCHAR(3))`` would cut silently.

    ``None`` for text, which needs no cast at all.
    """
    type_ = plain_type(type_)
    match family_of(type_):
        case "text":
            return None
        case "numeric":
            return sa.Numeric()
        case "timestamptz":
            return sa.DateTime(timezone=True)
        case "timestamp":
            return sa.DateTime()
        case "array" if isinstance(type_, sa.ARRAY):
            return sa.ARRAY(bare(type_.item_type) or sa.Text())
        case _:
            return type_


def _one(value: Value, type_: sa.types.TypeEngine[Any], change: Callable[[str], str] | None = None) -> Expression:
    assert isinstance(value, Slot)  # noqa: S101 - the caller has looked
    parameter = SlotParameter.of(value.index, _checked(type_, change), sa.Text())
    target = bare(type_)
    return parameter if target is None else sa.cast(parameter, target)


def _many(value: Value, type_: sa.types.TypeEngine[Any], change: Callable[[str], str] | None = None) -> Expression:
    assert isinstance(value, Slot)  # noqa: S101 - the caller has looked
    check = _checked(type_, change)
    parameter = SlotParameter.of(value.index, lambda texts: [check(text) for text in texts], sa.ARRAY(sa.Text()))
    target = bare(type_)
    if isinstance(target, sa.ARRAY):
        # A list of arrays would be an array of two dimensions, whose rows have one length: they come as rows instead.
        texts = sa.func.unnest(parameter).column_valued("_a")
        return sa.select(sa.cast(texts, target)).scalar_subquery()
    return parameter if target is None else sa.cast(parameter, sa.ARRAY(target))


def _any(values: Expression) -> Expression:
    return sa.any_(values) if isinstance(values, sa.ScalarSelect) else sa.func.any(values)


def _all(values: Expression) -> Expression:
    return sa.all_(values) if isinstance(values, sa.ScalarSelect) else sa.func.all(values)


def _checked(type_: sa.types.TypeEngine[Any], change: Callable[[str], str] | None) -> Callable[[Any], str]:
    # A NUL is ours to refuse in any family: the driver would raise on its own.
    any_text: sa.types.TypeEngine[Any] = sa.Text()
    check = coercion(type_ if family_of(type_) in _CHECKED else any_text)

    def encode(text: Any) -> str:
        check(text)
        return change(text) if change is not None else str(text)

    return encode


def _cast(typed: Typed, name: str) -> Typed:
    target = postgresql_type(name)
    return Typed(sa.cast(typed.expression, target), target)


def _aggregate(name: str, typed: Typed | None) -> Typed:
    if typed is None:
        return Typed(sa.func.count(), sa.BigInteger())
    function: Any = getattr(sa.func, name)
    return Typed(function(typed.expression), sa.BigInteger() if name == "count" else typed.type)


def _integer(index: int, encode: Callable[[Any], int]) -> SlotParameter:
    return SlotParameter.of(index, encode, sa.BigInteger())


# -- rows of a request -----------------------------------------------------------------------------------------------


def _listed(columns: Sequence[Column], slot: int) -> Listed:
    """``unnest($1::text[], …) WITH ORDINALITY``: one array of texts for each column, cast where it stands."""
    arrays = [SlotParameter.of(slot + i, _as_is, sa.ARRAY(sa.Text())) for i in range(max(len(columns), 1))]
    names = [f"_v{i}" for i in range(len(arrays))]
    rows = sa.func.unnest(*arrays).table_valued(*names, with_ordinality="_n").render_derived()
    values = tuple(_stored(column, rows.c[name]) for column, name in zip(columns, names, strict=False))
    return Listed(rows, values, rows.c["_n"])


def _stored(column: Column, text: Expression) -> Expression:
    target = bare(column.type)
    if isinstance(target, Composite):
        plain = sa.type_coerce(text, sa.Text())
        row = sa.func.jsonb_populate_record(sa.cast(sa.null(), target), sa.cast(plain, pg.JSONB()))
        return sa.case((plain.op("^@")(sa.literal_column("'{'")), row), else_=sa.cast(plain, target))
    spatial = None if target is None else spatial_of(target)
    if target is not None and spatial is not None and spatial.kind == "geography":
        # Only the other type reads GeoJSON, beside all that this one does.
        return sa.cast(sa.cast(sa.type_coerce(text, sa.Text()), _beside(spatial)), target)
    return sa.type_coerce(text, sa.Text()) if target is None else sa.cast(sa.type_coerce(text, sa.Text()), target)


def _beside(spatial: Spatial) -> Opaque:
    """The type ``geometry`` of the schema that ``geography`` comes from."""
    schema = "" if spatial.schema is None else f"{quoted(spatial.schema)}."
    return Opaque(schema + "geometry")


def _columns(rows: Sequence[Sequence[Any]], width: int) -> tuple[Any, ...]:
    if not width:
        return ([None] * len(rows),)
    return tuple([row[i] for row in rows] for i in range(width))


def _as_is(value: Any) -> Any:
    return value

"""An expression about one row of a table, which may look at other rows: which mention is of which row.

A table's name alone does not tell.  In ``M.team.in_(select(M.team).where(M.who == me.id))`` the first ``M`` is the row
that is asked about, and the others are rows that the subquery brings itself; in ``exists().where(x.team == M.team)``
the only ``M`` is that row, inside a subquery.  What tells is the scope: a FROM is a subquery's own unless SQLAlchemy
correlates it with a FROM around it.

1. `standing` asks SQLAlchemy's own compiler, once, which FROMs each subquery brings, and gives every table among them
   an alias of its own.  Afterwards the table itself, unaliased, is the row that is asked about, at any depth, and
   nothing that is brought can be taken for a FROM of the statement that the expression becomes a part of.
2. Selects of models become plain ones first: what their joins and relationships mean does not change any more.
3. What cannot be told apart is refused (BST-E050), as is what is not SQLAlchemy's to read (BST-E051).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine.default import StrCompileDialect
from sqlalchemy.sql import compiler as sql_compiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import AliasedReturnsRows, TableClause

from backstay.errors import ConfigError

#: The words by which a text looks at rows of its own.
_QUERY: Final = re.compile(r"\b(select|values|table|with)\b", re.IGNORECASE)

#: Outside of a subquery these speak of all the rows that a request happens to find.
_AGGREGATES: Final = re.compile(
    r"avg|count|every|max|min|sum|total|bool_(and|or)|bit_(and|or|xor)|(array|string|xml)_agg|group_concat"
    r"|jsonb?_(object_)?agg|json_group_(array|object)|(stddev|var|variance|corr|covar|regr)(_\w+)?"
)


def standing(expression: ColumnElement[Any], table: sa.FromClause, what: str) -> ColumnElement[Any]:
    """*expression*, in which *table* itself means the row that is asked about, and nothing else does.

    *what* names the expression where it is refused.

    Raises:
        ConfigError: BST-E050, BST-E051.
    """
    _refuse_text(expression, what)
    if looks_around(expression):
        raise _not_told(what, "it counts rows outside of a subquery", "Aggregate in a subquery: select(func.max(…)).")
    try:
        plain = _without_models(expression)
    except (sa.exc.SQLAlchemyError, AttributeError, TypeError) as fault:
        # Options and statements of the ORM that cannot be a part of another statement.
        raise _not_told(what, f"a subquery cannot be read: {fault}", "Write it with plain select().") from fault
    if not _looks_elsewhere(plain, table):
        return plain
    brought = _brought(plain, table, what)
    others = [from_ for from_ in brought.pop(None) if from_ is not table]
    if others:
        raise _not_told(
            what,
            f"it mentions {_name(others[0])} outside of a subquery",
            f"Ask for its rows in a subquery: exists().where({_name(others[0])}.… == …).",
        )
    aliased = _aliased(plain, table, brought)
    for froms in _brought(aliased, table, what).values():
        if any(isinstance(from_, TableClause) and from_ is not table for from_ in froms):
            raise _not_told(what, "a subquery mixes rows that cannot be told apart", "Use aliased() in its subqueries.")
    for each in elements(aliased):
        if is_aggregate(each) and (named := _columns_in(each)) and all(c.table is table for c in named):
            # SQL counts it to the statement around, whose rows a request chooses.
            raise _not_told(what, "it aggregates the row that is asked about", "Aggregate rows of aliased().")
        if isinstance(each, sa.CTE) and any(_is_of(part, table) for part in elements(each)):
            raise _not_told(what, "a common table expression asks about the row", "It stands outside of all rows.")
    return aliased


def elements(expression: Any, leaf: Any = None) -> Iterator[Any]:
    """All elements of *expression*; columns, tables and their aliases are leaves, and so is *leaf*."""
    # The elements themselves are kept: some are made on the way, and an id is free again when they are gone.
    waiting, seen = [expression], dict[int, Any]()
    while waiting:
        element = waiting.pop()
        if id(element) in seen:
            continue
        seen[id(element)] = element
        yield element
        if element is not leaf and not is_rows(element):
            waiting.extend(element.get_children())


def looks_around(expression: Any) -> bool:
    """Whether *expression*, outside of its subqueries, looks at more than one row."""
    if isinstance(expression, sa.Over | sa.WithinGroup | sa.FunctionFilter):
        return True
    if is_aggregate(expression):
        return True
    if isinstance(expression, sa.SelectBase) or is_rows(expression):
        return False
    return any(looks_around(child) for child in expression.get_children())


def is_aggregate(expression: Any) -> bool:
    """Whether *expression* makes one value of many rows."""
    name = function_name(expression)
    return _AGGREGATES.fullmatch(name) is not None and not (name in ("max", "min") and len(expression.clauses) > 1)


def function_name(expression: Any) -> str:
    """The name of the function that *expression* calls, in small letters; empty where it calls none."""
    return str(getattr(expression, "name", "")).lower() if isinstance(expression, FunctionElement) else ""


def _columns_in(expression: Any) -> list[Any]:
    return [each for each in elements(expression) if isinstance(each, sa.ColumnClause) and each.table is not None]


def is_rows(element: Any) -> bool:
    """Whether *element* is a table or an alias of one: rows as they lie there."""
    while isinstance(element, AliasedReturnsRows):
        element = element.element
    return isinstance(element, TableClause)


def table_of(from_: Any) -> Any:
    """What *from_* is an alias of, itself included."""
    while isinstance(from_, AliasedReturnsRows):
        from_ = from_.element
    return from_


def _refuse_text(expression: ColumnElement[Any], what: str) -> None:
    for element in elements(expression):
        text = element.text if isinstance(element, sa.TextClause) else None
        if isinstance(element, sa.ColumnClause) and element.is_literal:
            text = element.name
        if text is not None and _QUERY.search(text):
            raise ConfigError(
                "BST-E051",
                f"{what} asks for rows by a text: {text[:60]!r}",
                hint="Write it with select(): nobody but the database knows which rows a text means.",
            )


def _looks_elsewhere(expression: ColumnElement[Any], table: sa.FromClause) -> bool:
    """Whether there is any FROM but *table* to tell apart."""
    return any(
        isinstance(element, sa.SelectBase)
        or (isinstance(element, sa.ColumnClause) and element.table not in (None, table))
        for element in elements(expression)
    )


def _without_models(expression: ColumnElement[Any]) -> ColumnElement[Any]:
    """*expression* without the models: their selects as plain ones, their tables and columns without annotations."""

    def plain(_: Any, select: Any) -> Any:
        if select._propagate_attrs.get("compile_state_plugin") != "orm":
            return select
        enclosed = sql_compiler.StrSQLCompiler(StrCompileDialect(), None)
        enclosed.stack.append({"correlate_froms": set(), "asfrom_froms": set(), "selectable": select})
        return select._compile_state_factory(select, enclosed).statement

    def bare(element: Any) -> Any:
        if isinstance(element, TableClause) or (isinstance(element, sa.ColumnClause) and is_rows(element.table)):
            return element._deannotate()
        # The columns of subqueries go along with the copies of those.
        return element if is_rows(element) else None

    return _replaced(_each_select(expression, plain, brings_more=True), bare)  # type: ignore[no-any-return]


def _each_select(expression: Any, change: Callable[[Any, Any], Any], *, brings_more: bool = False) -> Any:
    """*expression* with each select changed, the innermost first: *change* takes it as it was and with what it holds
    changed, and may bring more of them.
    """

    copies: dict[int, Any] = {}

    def below(root: Any) -> Any:
        def replace(element: Any) -> Any:
            if isinstance(element, sa.Select) and element is not root:
                inner = below(element)
                found = change(element, inner)
                return below(found) if brings_more and found is not inner else found
            return element if is_rows(element) else None

        return _replaced(root, replace, copies)

    return below(expression)


def _replaced(expression: Any, replace: Callable[[Any], Any], known: dict[int, Any] | None = None) -> Any:
    """A copy of *expression* where *replace* has its say on every element; ``None`` leaves one as it is.

    SQLAlchemy's own traversal spares what any() and has() were given.  *known* copies are taken again: what stands in
    two places, as a common table expression does, stays one.
    """
    copies: dict[int, Any] = {} if known is None else known

    def clone(element: Any, **more: Any) -> Any:
        if id(element) in copies:
            return copies[id(element)][1]
        found = replace(element)
        if found is None and "replace" in more:
            found = more["replace"](element)
        if found is None:
            found = element._clone(**more)
            copies[id(element)] = (element, found)
            found._copy_internals(clone=clone, **more)
        # Both are kept, or the id of one that is gone would be another's.
        copies[id(element)] = (element, found)
        copies[id(found)] = (found, found)
        return found

    return clone(expression, deferred_copy_internals=lambda element: _replaced(element, replace, copies))


def _brought(expression: ColumnElement[Any], table: sa.FromClause, what: str) -> dict[int | None, list[Any]]:
    """The FROMs that each select of *expression* brings, by its id; under ``None`` those of *expression* itself."""
    found: dict[int | None, list[Any]] = {}
    root: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(table).where(expression)
    # Annotated parts would have it compiled as one of models.
    root._propagate_attrs = root._propagate_attrs.__class__()

    class Recorder(sql_compiler.StrSQLCompiler):
        def _setup_select_stack(self, select: Any, *given: Any) -> Any:
            froms = super()._setup_select_stack(select, *given)  # type: ignore[no-untyped-call]
            flat = [part for from_ in froms for part in from_._from_objects]
            if select is not root and _is_ambiguous(select, table, flat, self.stack[-2]["correlate_froms"]):
                raise sa.exc.CompileError(f"it may mean the row that is asked about or another of {_name(table)}")
            key = None if select is root else id(select)
            if set(map(id, found.setdefault(key, flat))) != set(map(id, flat)):
                raise sa.exc.CompileError("the same select stands in two places, and brings other rows in each")
            return froms

    try:
        Recorder(StrCompileDialect(), root)
    except sa.exc.SQLAlchemyError as fault:
        raise _not_told(
            what, f"a subquery cannot be read: {fault}", "Say which with aliased() or .correlate()."
        ) from fault
    for element in elements(expression):
        if isinstance(element, sa.Select) and id(element) not in found:
            raise _not_told(what, "one of its subqueries cannot be read", "Use aliased() in its subqueries.")
    return found


def _is_ambiguous(select: Any, table: sa.FromClause, froms: list[Any], around: Any) -> bool:
    """Whether *select* compares with *table* as if it were correlated, and SQLAlchemy makes it another row.

    By itself it correlates with the select next around only: two levels down, the name means a row of its own.
    """
    if table not in froms or len(froms) < 2 or table not in around or not select._auto_correlate:
        return False
    named = (*select._raw_columns, *select._from_obj)
    return all(part is not table for element in named for part in element._from_objects)


def _aliased(
    expression: ColumnElement[Any], table: sa.FromClause, brought: dict[int | None, list[Any]]
) -> ColumnElement[Any]:
    def change(select: Any, inner: Any) -> Any:
        for from_ in brought[id(select)]:
            if isinstance(from_, TableClause):
                inner = moved(inner, from_, from_.alias())
        if any(from_ is table for from_ in inner._from_obj):
            # Correlated although it was named as a FROM: the row that is asked about need not be a FROM at all.
            inner._from_obj = tuple(from_ for from_ in inner._from_obj if from_ is not table)
        return inner

    return _each_select(expression, change)  # type: ignore[no-any-return]


def moved(expression: Any, table: sa.FromClause, source: sa.FromClause) -> Any:
    """*expression* with *source* in the place of *table*, column for column by name; aliases of *table* stay.

    An `AssertionError` where anything of *table* is left, or *source* lacks a column: better no answer than one about
    other rows.
    """
    return expression if source is table else _moved(expression, table, source.c, source)


def valued(expression: Any, table: sa.FromClause, columns: Mapping[str, ColumnElement[Any]]) -> Any:
    """*expression* with *columns*, which are of no FROM, in the place of those of *table*; as `moved` otherwise."""
    return _moved(expression, table, columns, None)


def _moved(expression: Any, table: sa.FromClause, columns: Any, source: sa.FromClause | None) -> Any:
    def replace(element: Any) -> Any:
        if element is table and source is not None:
            return source
        if isinstance(element, sa.ColumnClause) and element.table is table:
            name = element.key if element.key in columns else element.name
            if name not in columns:
                raise AssertionError(f"{source} has no column {name}")
            return columns[name]
        # A common table expression stands outside of all scopes, and nothing in it is of the row that is asked about.
        return element if is_rows(element) or isinstance(element, sa.CTE) else None

    found = _replaced(expression, replace)
    for element in elements(found, source):
        if _is_of(element, table):
            raise AssertionError(f"an expression about {table} could not be moved")
    return found


def _is_of(element: Any, table: sa.FromClause) -> bool:
    return element is table or (isinstance(element, sa.ColumnClause) and element.table is table)


def _name(from_: Any) -> str:
    return str(getattr(from_, "name", "a subquery"))


def _not_told(what: str, why: str, hint: str) -> ConfigError:
    return ConfigError("BST-E050", f"{what} cannot be judged: {why}", hint=hint)

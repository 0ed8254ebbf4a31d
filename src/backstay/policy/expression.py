"""A policy function → the one SQL expression that it means, or BST-E023."""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable, Iterable
from decimal import Decimal
from enum import Enum
from traceback import walk_tb
from types import GeneratorType
from typing import Any, Final, NoReturn

import sqlalchemy as sa
from sqlalchemy.sql import coercions, operators, roles, visitors
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BindParameter,
    BooleanClauseList,
    ClauseElement,
    ClauseList,
    CollectionAggregate,
    ColumnElement,
    ExpressionClauseList,
    Grouping,
    TextClause,
)
from sqlalchemy.sql.selectable import SelectStatementGrouping

from backstay.arguments import told
from backstay.catalog import family_of
from backstay.catalog.size import MAX_LEVELS, refuse_oversized, too_large
from backstay.catalog.truth import is_condition, is_order, kind_of, untrue
from backstay.errors import BackstayError, ConfigError
from backstay.place import is_authors, place_of
from backstay.policy.affix import end_patterns, take_literally
from backstay.policy.casting import CAST_CLAIMS
from backstay.policy.constant import mismatched
from backstay.policy.fault import told_fault
from backstay.policy.form import join_texts, settle, spell_out
from backstay.policy.identity import call_traced
from backstay.policy.me import Me, MeParameter
from backstay.policy.moment import call_at_no_moment
from backstay.policy.outside import refuse_decided
from backstay.policy.reading import unsaid
from backstay.policy.symbol import Question, Symbol
from backstay.policy.watch import BEGIN_IT, CANNOT_BE_COMPILED, JOINS_NOTHING, Watch, is_empty, watched
from backstay.policy.words import raised_at

_RETURN: Final = "Return a comparison such as Post.author_id == me.id, or True."
_TAKES: Final = "Write def policy(me), or def policy(me, rows) for the columns of the table that it is about."


def expression_of(
    name: str, function: Callable[..., Any], table: sa.FromClause, own: ColumnElement[bool] | None = None
) -> ColumnElement[bool]:
    """What *function* says of the rows of *table*, or of those that are its model's *own*.

    It is called twice.  What it returned must be one condition about *table*, the same both times, and hold every
    value of ``me`` and every column that it was given.

    Raises:
        ConfigError: BST-E023, when it is not; BST-E056, when it is too large; BST-E081, when it compares values of two
            kinds.  The message names the file and the line.
    """
    linecache.checkcache()
    place = place_of(function)
    _refuse_deferred(name, function, place)
    takes = _takes_rows(name, function, place)

    def call() -> Any:
        return function(Symbol(), table.c) if takes else function(Symbol())

    first = _called(name, call, place, traced=True)
    rows = _condition(name, *first, place, table)
    second = _condition(name, *_called(name, call, place, traced=False), place, table)
    refuse_decided(name, rows, second, first[1].mentioned)
    if _shape(rows) != _shape(second):
        _refuse(
            f"{place}: the policy {name} says something else each time it is called",
            "It is called when the app starts, and never for a request: write func.now() for what changes later.",
        )
    if own is not None:
        rows = own & rows
    refuse_untrue(name, rows, place)
    unlike = mismatched(rows)
    if unlike is not None:
        seen, hint = unlike
        raise ConfigError("BST-E081", f"{place}: the policy {name} {seen}", hint=hint)
    settle(rows)
    strangers = [each for each in rows._from_objects if each is not table]
    if strangers:
        _refuse(
            f"{place}: the policy {name} is about {_named(table)}, and looks at {_named(strangers[0])} beside it",
            "Look at other tables by exists().where(…), a subquery, or relationship.any(…).",
        )
    return rows


def _takes_rows(name: str, function: Callable[..., Any], place: str) -> bool:
    """Whether *function* takes the table's columns behind ``me``; what takes anything else is refused."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        _refuse(f"{place}: the policy {name} does not tell what it takes", _TAKES)
    given = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if given and given[0].name in ("self", "cls"):
        _refuse(
            f"{place}: the policy {name} is a method, whose {given[0].name} nobody gives",
            "Move it out of the class, or give the method of an object: allow(…)(RULES.mine).",
        )
    more = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    needed = [each.name for each in given if each.default is each.empty]
    needed_by_name = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY and each.default is each.empty]
    if needed_by_name or len(needed) > 2 or not (given or more):
        told = ", ".join([*needed, *(f"{each}=" for each in needed_by_name)]) or "nothing"
        _refuse(
            f"{place}: the policy {name} takes {told}, and is given me alone, or me and the table's columns", _TAKES
        )
    return len(needed) > 1 or (more and len(given) < 2)


def _refuse_deferred(name: str, function: Callable[..., Any], place: str) -> None:
    plain = inspect.unwrap(getattr(function, "func", function))
    if inspect.iscoroutinefunction(plain) or inspect.isasyncgenfunction(plain):
        _refuse(f"{place}: the policy {name} is async, and would never run", "Leave out async: it only builds SQL.")
    if inspect.isgeneratorfunction(plain):
        _refuse(f"{place}: the policy {name} yields, and returns nothing", "Return one expression: or_(*conditions).")


def _called(name: str, call: Callable[[], Any], place: str, *, traced: bool) -> tuple[Any, Watch]:
    try:
        with watched(name) as watch:
            return call_at_no_moment(watch, lambda: call_traced(watch, call) if traced else call()), watch
    except BackstayError:
        raise
    except Exception as fault:
        at = raised_at(fault)
        if isinstance(fault, RecursionError) and _is_of_an_expression(fault):
            raise too_large(f"{place if at is None else at.place}: the policy {name}") from fault
        said = told_fault(fault, at)
        raise ConfigError(
            "BST-E023",
            f"{place if at is None else at.place}: the policy {name} {CANNOT_BE_COMPILED}: {said.seen}",
            hint=said.advice,
        ) from fault


def _is_of_an_expression(fault: RecursionError) -> bool:
    """Whether what called itself was SQLAlchemy, going down an expression, and no function of the author's."""
    frames = (frame for frame, _ in walk_tb(fault.__traceback__))
    return sum(map(is_authors, frames)) < MAX_LEVELS


def _condition(name: str, returned: Any, watch: Watch, place: str, table: sa.FromClause) -> ColumnElement[bool]:
    rows = _coerced(name, returned, place, table)
    refuse_oversized(rows, f"{place}: the policy {name}")
    spell_out(rows)
    _type_facts(rows)
    join_texts(rows)
    take_literally(rows)
    end_patterns(rows)
    _refuse_shapes(name, rows, place)
    if any(map(is_empty, visitors.iterate(rows))):
        _refuse(f"{place}: the policy {name} {JOINS_NOTHING}", BEGIN_IT)
    held = {each.me_handed for each in _facts(rows)}
    lost = next((handed for handed in watch.handed if handed not in held), None)
    if lost is not None:
        _refuse(
            f"{lost.place}: the policy {name} reads {lost.asked}, and what it returns does not hold it",
            "Return every condition that it makes, joined by & and |; leave out what is not needed.",
        )
    forgotten = unsaid(watch, rows)
    if forgotten is not None:
        _refuse(
            f"{forgotten.place}: the policy {name} reads {forgotten.asked}, and what it returns does not hold it",
            "Return every condition that it makes, joined by & and |, and read what is returned alone: Python knows"
            " no column's value.",
        )
    return rows


def _refuse_shapes(name: str, rows: ColumnElement[bool], place: str) -> None:
    """A value of ``me`` is one plain value: it is no list to look in, and no JSON to be compared with.

    SQLite has neither ANY nor ALL, and of what is no array ``in_()`` says the same.
    """
    for each in visitors.iterate(rows):
        if isinstance(each, BinaryExpression) and each.operator in (operators.in_op, operators.not_in_op):
            among = getattr(each.right, "element", each.right)
            given = among.selected_columns if isinstance(among, sa.SelectBase) else ()
            if len(given) > 1 and not isinstance(each.left, sa.Tuple):
                _refuse(
                    f"{place}: the policy {name} looks in a subquery of {len(given)} columns for one value",
                    "Select the column that is compared, as in .in_(select(Member.team_id)).",
                )
        if isinstance(each, CollectionAggregate) and not isinstance(each.element.type, sa.ARRAY):
            of = getattr(each.operator, "__name__", "any_op").removesuffix("_op")
            _refuse(
                f"{place}: the policy {name} asks {of}_() of what is no array",
                "Write .in_(…) for == any_(), .not_in(…) for != all_(), else compare with func.min() or func.max().",
            )
    for fact in _facts(rows):
        handed = fact.me_handed
        if fact.expanding:
            _refuse(
                f"{handed.place}: the policy {name} looks in {handed.asked} as in a list, and it is one value",
                f"Compare it: column == {handed.asked}; roles are asked for by me.has_role(…).",
            )
        if isinstance(fact.type, sa.JSON):
            _refuse(
                f"{handed.place}: the policy {name} compares {handed.asked} with JSON, which the databases do not",
                'Take the value out: column["key"].as_string() == ….',
            )


def _coerced(name: str, returned: Any, place: str, table: sa.FromClause) -> ColumnElement[bool]:
    if isinstance(returned, bool):
        return sa.true() if returned else sa.false()
    if returned is None:
        _refuse(f"{place}: the policy {name} returned None: a return is missing", _RETURN)
    if isinstance(returned, Me | Question):
        _refuse(f"{place}: the policy {name} returned me itself, and no condition", _RETURN)
    element = returned.__clause_element__() if hasattr(returned, "__clause_element__") else returned
    if isinstance(element, sa.FromClause | sa.SelectBase) and not isinstance(element, ColumnElement):
        _refuse(
            f"{place}: the policy {name} returned {told(returned)}, which is no condition",
            _advice_on(returned, table),
        )
    if not isinstance(element, ColumnElement):
        if inspect.iscoroutine(returned):
            returned.close()
        _refuse(
            f"{place}: the policy {name} returned {told(returned)}, which is not a SQL expression",
            _advice_on(returned, table),
        )
    try:
        rows: ColumnElement[bool] = coercions.expect(roles.WhereHavingRole, returned)
    except sa.exc.ArgumentError:
        _refuse(
            f"{place}: the policy {name} returned {told(returned)}, which is not a SQL expression",
            _advice_on(returned, table),
        )
    texts = [each for each in visitors.iterate(rows) if isinstance(each, TextClause)]
    if not _in_subquery(rows, texts):
        _refuse(
            f"{place}: the policy {name} returned text({texts[0].text!r}), whose columns nobody can tell",
            "Write it as a SQLAlchemy expression.",
        )
    if not _may_be_true(rows):
        # Of the words of a DISTINCT alone SQLAlchemy warns.
        shown = "distinct(…)" if is_order(rows) and rows.modifier is None else told(returned)
        _refuse(
            f"{place}: the policy {name} returned {shown}, which is {kind_of(rows)} and no condition",
            "Leave it out: queries are sorted, and a rule is asked of each row."
            if is_order(rows)
            else "Compare it: == for a value, .is_not(None) for one that is there.",
        )
    return rows


def _advice_on(returned: Any, table: sa.FromClause) -> str:
    """What to return in the place of what was *returned*."""
    if isinstance(returned, str) and returned in table.c:
        return f"Return the column, and not its name: rows.{returned} of def policy(me, rows), or that of the model."
    if isinstance(returned, list | tuple | set | GeneratorType):
        return "Join them: and_(*conditions) where all must hold, or_(*conditions) where one is enough."
    if isinstance(returned, sa.SelectBase | sa.FromClause):
        # Models annotate their tables: these are equal, and not the same.
        if any(each == table for each in getattr(returned, "columns_clause_froms", ())):
            return "Return what stands in its where(…), without the select: that is asked of each row."
        return f"{_RETURN}  Rows of other tables are asked for by exists().where(…)."
    if callable(returned) and not isinstance(returned, type):
        return "Call it, and return what it gives."
    return _RETURN


def _in_subquery(rows: ColumnElement[bool], texts: list[TextClause]) -> bool:
    """``exists(select(text("1")))`` names no column."""
    return all(each.text.strip().isdecimal() for each in texts) and not isinstance(rows, TextClause)


def _may_be_true(rows: Any) -> bool:
    if isinstance(rows, MeParameter):
        return rows.me_source[0] in ("claim", "has_role")
    return is_condition(rows)


def refuse_untrue(name: str, rows: ColumnElement[bool], place: str) -> None:
    """Refuse *rows* where anything in it is taken for a condition and is none.

    Raises:
        ConfigError: BST-E023.
    """
    wrong = untrue(rows, _may_be_true)
    if wrong is not None:
        _refuse(
            f"{place}: the policy {name} {wrong}",
            "Compare what is no condition, and put brackets around each side, since &, | and ~ bind before == and <:"
            " (a > 0) & (b == c).",
        )


def _facts(rows: ClauseElement) -> list[MeParameter]:
    return [each for each in visitors.iterate(rows) if isinstance(each, MeParameter)]


def _shape(rows: ClauseElement) -> list[tuple[Any, ...]]:
    """What *rows* says, without the names that SQLAlchemy makes up for its parameters and aliases."""
    return [_part(each) for each in visitors.iterate(rows)]


def _part(element: Any) -> tuple[Any, ...]:
    if isinstance(element, MeParameter):
        return element.me_source
    said = [getattr(element, name, None) for name in ("operator", "modifier", "text")]
    if isinstance(element, BindParameter):
        said.append(_same(element.effective_value))
    elif isinstance(element, sa.Column | sa.sql.functions.Function):
        said.append(element.name)
    return (element.__visit_name__, *said)


def _same(value: Any) -> Any:
    """*value*, so that it is equal to itself: NaN is not, and a signalling one is compared with nothing."""
    if isinstance(value, list | tuple):
        return [_same(each) for each in value]
    return str(value) if isinstance(value, float | Decimal) else value


def _type_facts(rows: ColumnElement[bool]) -> None:
    """Give each value of ``me`` the type of what it stands beside: a parameter without one means nothing.

    SQLAlchemy does so for ``column == me.id`` alone.
    """
    if isinstance(rows, MeParameter):
        _give_type(rows, sa.Boolean())
    for fact in _facts(rows):
        if isinstance(fact.type, type):
            # A key of JSON, to which SQLAlchemy gives the class.
            fact.type = fact.type()
    for element in visitors.iterate(rows):
        if isinstance(element, BinaryExpression):
            _type_rows(element.left, element.right)
            right = _bare(element.right)
            for row in right.clauses if isinstance(right, ClauseList) and not isinstance(right, sa.Tuple) else [right]:
                _type_rows(row, element.left)
    _type_inside(rows, None)


def _type_rows(row: Any, other: Any) -> None:
    """In ``tuple_(Seat.club, me.id)`` each value stands beside what has its place in the *other* row, or rows."""
    row, other = _bare(row), _bare(other)
    if not isinstance(row, sa.Tuple):
        return
    if isinstance(other, ClauseList) and not isinstance(other, sa.Tuple):
        other = next(iter(other.clauses), None)
    if isinstance(other, sa.SelectBase):
        beside: list[Any] = list(other.selected_columns)
    elif isinstance(other, BindParameter):
        beside = [each if _is_asked(each) else sa.literal(each) for each in next(iter(other.value or ()), ())]
    else:
        beside = list(getattr(other, "clauses", ()))
    for value, each in zip(row.clauses, beside, strict=False):
        if isinstance(value, MeParameter):
            _give_type(value, each.type)


def _is_asked(value: Any) -> bool:
    return isinstance(value, MeParameter | Question | Me)


def _bare(element: Any) -> Any:
    while isinstance(element, Grouping | SelectStatementGrouping | sa.ScalarSelect):
        element = element.element
    return element


def _type_inside(element: ClauseElement, around: sa.types.TypeEngine[Any] | None) -> None:
    children = [each for each in element.get_children() if isinstance(each, ClauseElement)]
    for child in children:
        beside = _type_beside(element, child, children) or around
        if isinstance(child, MeParameter):
            _give_type(child, beside or sa.String())
        elif isinstance(child, BindParameter):
            # Of a member of an enum SQLAlchemy does not know the type, but where it stands beside a column.
            if beside is not None and isinstance(child.value, Enum):
                _give_type(child, beside)
        else:
            # What stands beside a list, brackets, CASE, or BETWEEN's two ends, stands beside each of their members.
            passes = isinstance(child, ClauseList | Grouping | ExpressionClauseList | sa.Case)
            passes = passes and not isinstance(child, sa.Tuple)
            _type_inside(child, beside if passes else None)


def _give_type(parameter: BindParameter[Any], type_: sa.types.TypeEngine[Any]) -> None:
    if isinstance(parameter.type, sa.types.NullType):
        parameter.type = type_
    if isinstance(parameter.type, sa.Numeric) and not isinstance(parameter.type, sa.Float):
        # With a precision, PostgreSQL would round the claim until it fits, or fail.
        parameter.type = sa.Numeric()


def _type_beside(element: Any, child: Any, children: Iterable[Any]) -> sa.types.TypeEngine[Any] | None:
    if isinstance(element, BooleanClauseList) or getattr(element, "operator", None) is operators.inv:
        return sa.Boolean()
    if isinstance(element, sa.Cast):
        # A claim that cannot be what it is cast to is NULL, as it is beside a column.
        return element.type if family_of(element.type) in CAST_CLAIMS else sa.String()
    if isinstance(element, sa.Tuple):
        # Not beside its neighbours: `_type_rows`.
        return None
    if isinstance(element, sa.Case):
        # What it asks stands beside what it asks about, and what it gives beside what else it gives.
        given = [*(then for _, then in element.whens), element.else_]
        if any(child is each for each in given):
            children = [each for each in given if each is not None]
        elif element.value is None:
            return sa.Boolean()
        else:
            children = [element.value, *(asked for asked, _ in element.whens)]
    return next((found for each in children if each is not child and (found := _type_of(each))), None)


def _type_of(element: Any) -> sa.types.TypeEngine[Any] | None:
    type_ = getattr(element, "type", None)
    if isinstance(type_, sa.types.TypeEngine) and not isinstance(type_, sa.types.NullType | sa.types.TupleType):
        return type_
    # The members of a list, or both ends of BETWEEN.
    return next((found for each in element.get_children() if (found := _type_of(each))), None)


def _named(source: Any) -> str:
    return str(getattr(getattr(source, "element", source), "name", source))


def _refuse(message: str, hint: str) -> NoReturn:
    raise ConfigError("BST-E023", message, hint=hint)

"""What the subqueries of a rule have to do with the row that is judged.

``exists().where(Member.account_id == me.id)`` asks whether there is any such member: whoever is one is shown every row.
That is sometimes meant, and mostly a condition was forgotten.

1. What cannot be meant is refused: a column that is compared with itself, and tables that are asked about together
   while nothing relates their rows.
2. What may be meant is told at the start: a subquery that says nothing of the row, unless it says so by
   ``.correlate(None)``, and a comparison of two keys that refer to different things.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import elements as e
from sqlalchemy.sql import operators as op
from sqlalchemy.sql.selectable import Join, ScalarSelect, SelectStatementGrouping

from backstay.catalog import Catalog
from backstay.catalog.standing import elements, is_rows, table_of
from backstay.errors import ConfigError
from backstay.policy.comparison import COMPARISONS, EQUALITIES
from backstay.policy.keys import Keys
from backstay.policy.me import MeParameter
from backstay.policy.rule import Rule


def refuse_unjoined(rows: Any, table: sa.FromClause, what: str) -> None:
    """Refuse what is in *rows*, which stands on *table*, and means nothing; *what* names it.

    Raises:
        ConfigError: BST-E053, BST-E054.
    """
    for element in elements(rows):
        if isinstance(element, e.BinaryExpression) and element.operator in COMPARISONS:
            left, right = _bare(element.left), _bare(element.right)
            if isinstance(left, MeParameter) and isinstance(right, MeParameter) and left.me_source == right.me_source:
                raise ConfigError(
                    "BST-E053",
                    f"{what} compares {left.me_handed.asked} with itself, which says nothing",
                    hint=f"Compare it with a column of {_name(table)}.",
                )
        for one, other in _compared(element, COMPARISONS):
            if one is other or (one.table is other.table is not None and one.key == other.key):
                near = table.c.get(one.key) if table_of(one.table) is not table else None
                raise ConfigError(
                    "BST-E053",
                    f"{what} compares {_name(one)} with itself, which says nothing",
                    hint=f"Compare it with {'a column of another row' if near is None else _name(near)}; another row of"
                    f" {_name(one.table)} is one of aliased(), and .is_not(None) asks whether there is a value.",
                )
    for select, brought in _selects(rows, frozenset((table,))):
        _refuse_product(select, brought, what)


def _refuse_product(select: sa.Select[Any], brought: list[Any], what: str) -> None:
    groups = _Groups()
    for element in elements(select):
        if isinstance(element, e.BinaryExpression) and element.operator in COMPARISONS:
            groups.join(_about(element))
    for from_ in brought:
        # Functions and lateral subqueries are of the rows that they are given.
        groups.join([from_, *_about(from_)])
    for other in brought[1:]:
        if not groups.together(brought[0], other):
            raise ConfigError(
                "BST-E054",
                f"{what} asks for {_name(brought[0])} and {_name(other)} together, and relates no row of the one to one"
                " of the other",
                hint="Compare a column of the one with one of the other, or ask for each by an exists() of its own.",
            )


def _selects(element: Any, around: frozenset[Any]) -> Iterator[tuple[sa.Select[Any], list[Any]]]:
    """Each select in *element*, and the FROMs that it brings beside those *around* it."""
    if isinstance(element, sa.Select):
        brought = [each for each in _froms(element) if each not in around]
        yield element, brought
        around = around.union(brought)
    if not is_rows(element):
        for child in element.get_children():
            yield from _selects(child, around)


def _froms(select: sa.Select[Any]) -> list[Any]:
    return [part for from_ in select.get_final_froms() for part in from_._from_objects if not isinstance(part, Join)]


class _Groups:
    """What belongs together, as far as it was said."""

    def __init__(self) -> None:
        self._leader: dict[Any, Any] = {}

    def join(self, members: Iterable[Any]) -> None:
        first, *others = [*members] or [None]
        for other in others:
            self._leader[self._of(other)] = self._of(first)

    def together(self, one: Any, other: Any) -> bool:
        return bool(self._of(one) == self._of(other))

    def _of(self, member: Any) -> Any:
        while member in self._leader and self._leader[member] != member:
            member = self._leader[member]
        return member


def _about(comparison: Any) -> Iterator[Any]:
    """The FROMs that *comparison* speaks of, and the values of ``me``, which relate rows as well."""
    for element in elements(comparison):
        if isinstance(element, MeParameter):
            yield element.me_source
        elif isinstance(element, sa.ColumnClause) and element.table is not None:
            yield element.table


def told_of(rules: Iterable[Rule], catalogs: Iterable[Catalog]) -> Iterator[str]:
    """A sentence for each subquery of *rules* that says nothing of the row, and each two keys that are unlike."""
    keys = Keys(catalogs)
    seen = set[int]()
    for rule in rules:
        if id(rule.rows) not in seen:
            seen.add(id(rule.rows))
            yield from _unlinked(rule, keys)
            yield from _unlike(rule, keys)


def _unlinked(rule: Rule, keys: Keys) -> Iterator[str]:
    table = rule.source
    for select in dict.fromkeys([*(_silent(rule.rows, table) or ()), *_forgotten(rule.rows, table, keys)]):
        if _is_meant(select):
            continue
        brought = [each for part, froms in _selects(select, frozenset((table,))) if part is select for each in froms]
        if not brought:
            continue  # It asks of no rows, but of the caller.
        others = [each for each in brought if table_of(each) is not table]
        links = (
            f"compare {_name(here)} with {_name(there)}" for here, there in keys.links(select, _froms(select), table)
        )
        judged, meant = _name(table), "Write .correlate(None) behind it"
        if not others:
            seen, advice = f"asks for any row of {judged}, and not for the one", "leave the subquery out"
        else:
            seen = f"says nothing of the row of {judged}"
            if any(_is_of(each, table) for each in elements(select)):
                seen = f"says nothing, in one of its alternatives, of the row of {judged}"
                meant = "Give that one an exists() of its own, with .correlate(None),"
            advice = next(links, f"compare it with a column of {judged}")
        yield (
            f"[BST-W053] {rule.place}: the policy {rule.name} has a subquery on"
            f" {' and '.join(map(_name, others or [table]))} that {seen} that is judged: it is true for all rows or for"
            f" none.  {meant} if that is meant; else {advice}."
        )


def _is_meant(select: Any) -> bool:
    return not getattr(select, "_auto_correlate", True) and getattr(select, "_correlate", None) == ()


def _forgotten(element: Any, table: sa.FromClause, keys: Keys) -> Iterator[Any]:
    """Subqueries beside a condition of the row, which could be linked to it by a key, and are not."""
    element = _bare(element)
    if isinstance(element, e.BooleanClauseList) or (
        isinstance(element, e.UnaryExpression) and element.operator is op.inv
    ):
        for child in element.get_children():
            yield from _forgotten(child, table, keys)
    elif found := _silent(element, table):
        yield from (select for select in found if any(keys.links(select, _froms(select), table)))


def _silent(element: Any, table: sa.FromClause, negated: bool = False) -> list[Any] | None:
    """The subqueries by which *element* may be true while it says nothing of *table*; ``None`` if it always does."""
    element = _bare(element)
    match element:
        case e.UnaryExpression(operator=op.inv):
            return _silent(element.element, table, not negated)
        case e.BooleanClauseList():
            found = [_silent(each, table, negated) for each in element.clauses]
            return _either(found) if (element.operator is op.or_) != negated else _both(found)
        case sa.Case():
            chosen = [_both([_silent(when, table), _silent(then, table)]) for when, then in element.whens]
            return _either([*chosen, _silent(element.else_, table)] if element.else_ is not None else chosen)
        case _:
            selects = list(_outermost(element))
            inside = {id(each) for select in selects for each in elements(select)}
            if any(_is_of(each, table) for each in elements(element) if id(each) not in inside):
                return None
            return _both([_silent_select(each, table) for each in selects])


def _silent_select(select: Any, table: sa.FromClause) -> list[Any] | None:
    if isinstance(select, sa.CompoundSelect):
        return _either([_silent_select(each, table) for each in map(_bare, select.selects)])
    asked = [*select._where_criteria, *select._having_criteria, *_ons(select)]
    inside = {id(each) for criterion in asked for each in elements(criterion)}
    if any(_is_of(each, table) for each in elements(select) if id(each) not in inside):
        return None
    return None if _both([_silent(each, table) for each in asked]) is None else [select]


def _either(found: list[list[Any] | None]) -> list[Any] | None:
    silent = [each for each in found if each is not None]
    return [one for each in silent for one in each] if silent else None


def _both(found: list[list[Any] | None]) -> list[Any] | None:
    return None if None in found else [one for each in found if each is not None for one in each]


def _is_of(element: Any, table: sa.FromClause) -> bool:
    return isinstance(element, sa.ColumnClause) and element.table is table


def _ons(select: sa.Select[Any]) -> list[Any]:
    return [each.onclause for from_ in select.get_final_froms() for each in elements(from_) if isinstance(each, Join)]


def _outermost(element: Any) -> Iterator[Any]:
    """The subqueries of *element* that stand in no other."""
    if isinstance(element, sa.Select | sa.CompoundSelect):
        yield element
    elif not is_rows(element):
        for child in element.get_children():
            yield from _outermost(child)


def _unlike(rule: Rule, keys: Keys) -> Iterator[str]:
    for element in elements(rule.rows):
        for one, other in _compared(element, EQUALITIES):
            if keys.are_unlike(one, other):
                stranger = one if other.table is rule.source else other
                near = next((_name(each) for each in rule.source.c if keys.are_alike(each, stranger)), None)
                advice = f"Compare it with {near}" if near else "Compare columns of one key"
                yield (
                    f"[BST-W054] {rule.place}: the policy {rule.name} compares {_name(one)} with {_name(other)}, and no"
                    f" foreign key says that these are the same thing.  {advice}; if it is meant, declare it by"
                    " ForeignKey() or relationship()."
                )


def _compared(element: Any, by: frozenset[Any]) -> Iterator[tuple[Any, Any]]:
    """Each two columns that *element* compares *by* one of these operators."""
    if isinstance(element, e.BinaryExpression) and element.operator in by:
        for one, other in _pairs(_bare(element.left), _bare(element.right)):
            if isinstance(one, sa.ColumnClause) and isinstance(other, sa.ColumnClause):
                yield one, other


def _pairs(left: Any, right: Any) -> Iterator[tuple[Any, Any]]:
    for one, other in ((left, right), (right, left)):
        columns = _columns_of(other)
        if isinstance(other, sa.Tuple) and isinstance(one, sa.Tuple):
            columns = list(other.clauses)
        if isinstance(one, sa.Tuple):
            yield from zip(map(_bare, one.clauses), map(_bare, columns), strict=False)
            return
        if columns:
            yield one, _bare(columns[0])
            return
        if isinstance(other, e.ClauseList | e.ExpressionClauseList):
            for each in other.clauses:
                yield one, _bare(each)
            return
    yield left, right


def _columns_of(element: Any) -> list[Any]:
    """What a subquery gives."""
    select = _bare(element.element) if isinstance(element, ScalarSelect) else element
    return list(select.selected_columns) if isinstance(select, sa.SelectBase) else []


def _bare(element: Any) -> Any:
    while isinstance(element, e.Grouping | SelectStatementGrouping | sa.Label):
        element = element.element
    return element


def _name(element: Any) -> str:
    """As the author knows it: the table's name, and not that of an alias that was made up."""
    if isinstance(element, sa.ColumnClause):
        return f"{_name(element.table)}.{element.name}" if element.table is not None else str(element.name)
    return str(getattr(table_of(element), "name", None) or "a subquery")

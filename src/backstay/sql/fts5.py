"""Full-text search on SQLite: a tree of words → what FTS5 reads, and the SQL around it.

FTS5 has no NOT of its own, only ``a NOT b``.  So an expression is kept as *found* or as *left out* (everything but what
it finds), and the two join by De Morgan's rules: any tree comes to one FTS5 expression and one bit.

Every word is quoted on its own, and holds letters and digits only (SQ3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from backstay.catalog import Searchable
from backstay.errors import PlanError
from backstay.plan.intent import Compare
from backstay.plan.tsquery import ENGLISH_STOP, And, Not, Or, Phrase, Tree, bounded_search, parse_search
from backstay.request.filters import Slot
from backstay.sql.dialect import Expression, Typed
from backstay.sql.parameters import SlotParameter
from backstay.sql.quoted import quoted

#: Finds nothing, as an empty query does.
_NOTHING: Final = '""'


class Found(NamedTuple):
    """The rows that *expression* finds, or, *left_out*, all others."""

    expression: str
    left_out: bool = False


def fts5_query(tree: Tree | None, columns: Sequence[str] = ()) -> Found:
    """What FTS5 reads for *tree*, in *columns* (by default in all).

    >>> fts5_query(parse_search("fts", "cat & !(dog | rat)", frozenset()))
    Found(expression='("cat" NOT ("dog" OR "rat"))', left_out=False)
    >>> fts5_query(parse_search("wfts", "-dog", frozenset()), ["title"])
    Found(expression='{"title"} : ("dog")', left_out=True)
    """
    if tree is None:
        return Found(_NOTHING)
    found = _found(tree)
    if not columns:
        return found
    names = " ".join(map(quoted, columns))
    return Found(f"{{{names}}} : ({found.expression})", found.left_out)


def _found(tree: Tree) -> Found:
    match tree:
        case Phrase(words, prefix):
            return Found('"' + " ".join(words) + '"' + ("*" if prefix else ""))
        case Not(term):
            inner = _found(term)
            return Found(inner.expression, not inner.left_out)
        case And(terms):
            return _both(_parts(terms, left_out=False), _parts(terms, left_out=True))
        case Or(terms):
            # a OR everything but b is everything but (b NOT a).
            turned = _both(_parts(terms, left_out=True), _parts(terms, left_out=False))
            return Found(turned.expression, not turned.left_out)


def _parts(terms: Sequence[Tree], *, left_out: bool) -> list[str]:
    return [found.expression for found in map(_found, terms) if found.left_out is left_out]


def _both(here: list[str], gone: list[str]) -> Found:
    """All of *here* and none of *gone*."""
    if not here:
        return Found(_list("OR", gone), left_out=True)
    wanted = _list("AND", here)
    return Found(f"({wanted} NOT {_list('OR', gone)})" if gone else wanted)


def _list(word: str, parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else "(" + f" {word} ".join(parts) + ")"


def index_name(table: str, declared: Searchable) -> str:
    """The FTS5 table beside *table*."""
    return f"{table}_{declared.name}_fts"


def search(source: sa.FromClause, typed: Typed, condition: Compare) -> Expression:
    """The rows of *source* that the condition finds; NULL for those whose column is, as in PostgreSQL.

    Raises:
        PlanError: PGRST127, where no index covers the column or reads its language.
    """
    index, where, left_out = _matched(source, condition)
    home = sa.table(_table_name(source), sa.column("_rowid_"))
    hits = sa.select(index.c.rowid).where(where)
    others = sa.select(home.c["_rowid_"]).where(left_out, home.c["_rowid_"].not_in(hits))
    # One of the two halves is switched off by a parameter before it looks at any row.
    rows = sa.union_all(hits.where(sa.not_(left_out)), others)
    found = _rowid(source).in_(rows)
    column = condition.operand.column
    if not column.nullable:
        return found
    if condition.negated:
        return sa.case((typed.expression.is_not(None), found))
    return sa.and_(typed.expression.is_not(None), found)


def relevance(source: sa.FromClause, typed: Typed, condition: Compare) -> Expression:
    """PostgreSQL's ``ts_rank`` of a row: see ``adapters/sqlite/relevance.py``."""
    index, where, _ = _matched(source, condition)
    all_wanted = _slot(condition, lambda tree: int(isinstance(tree, And) or _is_phrase(tree)), sa.Integer())
    rank: Any = sa.func.backstay_rank(index.c[index.name], all_wanted)
    found = sa.select(rank).where(where, index.c.rowid == _rowid(source)).correlate(source)
    return sa.func.coalesce(found.scalar_subquery(), sa.literal_column("0.0"))


def _is_phrase(tree: Tree | None) -> bool:
    return isinstance(tree, Phrase) and len(tree.words) > 1


def _matched(source: sa.FromClause, condition: Compare) -> tuple[sa.TableClause, Expression, Expression]:
    """The index, what it must match, and whether that is to be left out."""
    declared = _declared(source, condition)
    name = index_name(_table_name(source), declared)
    index = sa.table(name, sa.column("rowid"), sa.column(name))
    column = condition.operand.column.name
    columns = () if column == declared.name else (column,)
    expression = _slot(condition, lambda tree: fts5_query(tree, columns).expression, sa.Text())
    left_out = _slot(condition, lambda tree: int(fts5_query(tree).left_out), sa.Integer())
    return index, index.c[name].op("MATCH", is_comparison=True)(expression), left_out == sa.literal_column("1")


def _declared(source: sa.FromClause, condition: Compare) -> Searchable:
    declared, asked = condition.searchable, condition.language
    column, table = condition.operand.column.name, _table_name(source)
    if declared is None:
        raise PlanError(
            "PGRST127",
            "Feature not implemented",
            details=f"On SQLite a column is searched through an index, and none covers {table}.{column}.",
            hint=f'Declare it in the model of {table}: __searchable__ = ("{column}",)',
        )
    if asked is not None and asked != declared.language:
        raise PlanError(
            "PGRST127",
            "Feature not implemented",
            details=f"The search index of {table} is {declared.language}, not {asked}.",
            hint=f"Leave the language out, or declare Searchable(…, language={asked!r}).",
        )
    return declared


def _slot(condition: Compare, read: Callable[[Tree | None], Any], type_: sa.types.TypeEngine[Any]) -> SlotParameter:
    if not isinstance(condition.value, Slot):
        raise PlanError("PGRST100", f"the value of {condition.op} was not taken out of the request")
    op, declared = condition.op, condition.searchable
    stop = ENGLISH_STOP if declared is not None and declared.language == "english" else frozenset()
    return SlotParameter.of(
        condition.value.index, lambda text: read(parse_search(op, bounded_search(text), stop)), type_
    )


def _table_name(source: sa.FromClause) -> str:
    while isinstance(source, sa.Alias):
        source = source.element
    return str(getattr(source, "name", ""))


def _rowid(source: sa.FromClause) -> Expression:
    return sa.ColumnClause("_rowid_", sa.Integer(), _selectable=source)

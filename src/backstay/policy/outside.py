"""What a policy uses that was built before it ran, and was perhaps decided by Python there.

1. A policy is called twice.  What both calls return the very same object of, they did not build; nor a column that
   neither asked its model for.
2. Such a part is refused where a statement that speaks of its columns asked Python whether an expression is true.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BinaryExpression, ColumnElement, False_, Null, True_

from backstay.catalog.noted import asked_places
from backstay.errors import ConfigError
from backstay.place import is_authors_file, shown_file
from backstay.policy.words import Words, enclosing, words_of


def refuse_decided(name: str, rows: Any, second: Any, touched: Iterable[str]) -> None:
    """Refuse what is in *rows* and *second* alike, the two answers of the policy, if Python decided it.

    Raises:
        ConfigError: BST-E023.
    """
    columns = frozenset(_columns_outside(rows, second, frozenset(touched)))
    if not columns:
        return
    for code, instruction, line in asked_places():
        if not is_authors_file(code.co_filename):
            continue
        names = _names_at(code, instruction)
        if names is None or names & columns:
            words = words_of(code, instruction) or Words(code.co_name, "")
            place = f"{shown_file(code.co_filename)}:{line}"
            raise ConfigError(
                "BST-E023",
                f"{place}: the policy {name} uses what was built before it ran, and Python decided there: {words.text}",
                hint=f"{words.advice}  Or build it in the policy itself.".strip(),
            )


def _columns_outside(rows: Any, second: Any, touched: frozenset[str]) -> Iterator[str]:
    again = {id(each) for each in visitors.iterate(second)}
    for element in visitors.iterate(rows):
        if isinstance(element, sa.Column):
            if isinstance(element.type, sa.Boolean) and element.key not in touched:
                yield element.key
        elif any(id(each) in again and _is_built(each) for each in _same(element)):
            yield from (str(e.key) for e in visitors.iterate(element) if isinstance(e, sa.Column))


def _same(element: Any) -> Iterator[Any]:
    """*element*; the negation of a comparison is a new one, of the same parts."""
    yield element
    if isinstance(element, BinaryExpression):
        yield from element.get_children()


def _is_built(element: Any) -> bool:
    """Whether whoever writes an expression makes *element*; SQLAlchemy has one of the others."""
    singles: Any = True_ | False_ | Null | sa.FromClause | sa.Column
    return isinstance(element, ColumnElement) and not isinstance(element, singles)


def _names_at(code: CodeType, instruction: int) -> frozenset[str] | None:
    """The attributes that the statement at this place speaks of; ``None`` where nobody can tell."""
    around = enclosing(code, instruction)
    statement = next((node for node in reversed(around) if isinstance(node, ast.stmt)), None)
    if statement is None:
        return None
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        # A default argument or a decorator: the body has nothing to do with it.
        innermost = next((n for n in around if isinstance(n, ast.expr)), None)
        if innermost is None:
            return None
        return _attributes(innermost)
    return _attributes(statement)


def _attributes(node: ast.AST) -> frozenset[str] | None:
    operands = [v for n in ast.walk(node) if isinstance(n, ast.BoolOp) for v in n.values]
    if any(isinstance(each, ast.Name) for each in operands):
        return None
    return frozenset(each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute))

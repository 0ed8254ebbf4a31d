"""SQ2: where SQL stands as text, and where such text is put together, is a list that somebody has read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "backstay"
FILES = sorted(SOURCE.rglob("*.py"))

#: May use ``sqlalchemy.text``: constants only.
TEXTS = {"adapters/postgresql/database.py", "adapters/postgresql/search.py", "catalog/mixin.py", "auth/tables.py"}

#: May put SQL together out of parts, each for the reason that stands here.
ASSEMBLED = {
    "adapters/postgresql/residue.py",  # patterns of this file
    "sql/explain.py",  # EXPLAIN before a statement that SQLAlchemy has written; its options are a closed list
    "pipeline/context.py",  # names of settings, all of them written there
    "adapters/sqlite/diagnosis.py",  # names of the schema, quoted, of the foreign key that broke
    "adapters/sqlite/reflect.py",  # names of the schema, quoted, before anything is served
    "db/columns.py",  # names and types of our own tables, quoted, when an older database lacks a column
    "adapters/sqlite/bounds.py",  # names of the models, quoted, in triggers of one connection
    "adapters/sqlite/search.py",  # names of the models, quoted, when tables are created
    "adapters/postgresql/search.py",  # names of the models, quoted, when tables are created
}

#: May make a ``literal_column`` of something that is not a constant.
LITERALS = {
    "sql/postgresql.py",  # a number of ours
    "sql/select.py",  # a whole number of the plan
    "mail/outbox.py",  # the constant of how many letters are taken at once
    "sql/call.py",  # the name of an argument of a listed function, quoted
    "sql/stored.py",  # words of that file
    "sql/write.py",  # the names of a column and its table, quoted
    "sql/sqlite/path.py",  # a whole number
    "sql/sqlite/rows.py",  # the position of a column
    "sql/sqlite/value.py",  # a constant of that file or of the models, quoted
}

_SQL = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|EXPLAIN|PRAGMA|WITH|SET|VALUES|TRUNCATE|GRANT|ATTACH|COPY)\s"
)


def found(kind: str) -> dict[str, list[int]]:
    """Files, by their path in the package, with the lines where *kind* of thing stands."""
    places: dict[str, list[int]] = {}
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        lines = sorted(set({"texts": _texts, "assembled": _assembled, "literals": _literals}[kind](tree)))
        if lines:
            places[str(path.relative_to(SOURCE))] = lines
    return places


def _texts(tree: ast.Module) -> Iterator[int]:
    """Imports and attributes that lead to ``sqlalchemy.text``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
            yield from (node.lineno for name in node.names if name.name == "text")
        match node:
            case ast.Attribute(value=ast.Name(id="sa" | "sqlalchemy"), attr="text"):
                yield node.lineno


def _assembled(tree: ast.Module) -> Iterator[int]:
    """f-strings, ``+``, ``%``, ``.format`` and ``.join`` whose first constant begins as a statement does."""
    for node in ast.walk(tree):
        parts: list[ast.expr] = []
        match node:
            case ast.JoinedStr() if any(isinstance(part, ast.FormattedValue) for part in node.values):
                parts = node.values[:1]
            case ast.BinOp(op=ast.Add() | ast.Mod()):
                parts = [node.left, node.right]
            case ast.Call(func=ast.Attribute(attr="format" | "join", value=value)):
                parts = [value]
        if any(isinstance(part, ast.Constant) and _SQL.match(str(part.value)) for part in parts):
            yield node.lineno  # type: ignore[attr-defined]


def _literals(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            if name == "literal_column" and not (node.args and _is_constant(node.args[0])):
                yield node.lineno


def _is_constant(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) or (
        isinstance(node, ast.IfExp) and _is_constant(node.body) and _is_constant(node.orelse)
    )


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [("texts", TEXTS), ("assembled", ASSEMBLED), ("literals", LITERALS)],
    ids=["texts", "assembled", "literals"],
)
def test_sql_stands_where_it_was_read(kind: str, allowed: set[str]) -> None:
    """SQ2: a new place is added to the list by whoever has made sure that no text of a client gets into it."""
    places = found(kind)
    assert {} == {path: lines for path, lines in places.items() if path not in allowed}
    assert set() == allowed - places.keys(), "no longer needed"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("texts", "from sqlalchemy import text"),
        ("texts", "import sqlalchemy as sa\nsa.text('SELECT 1')"),
        ("assembled", "f'SELECT {x}'"),
        ("assembled", "'DELETE FROM ' + name"),
        ("assembled", "'SELECT %s' % name"),
        ("assembled", "'INSERT INTO {}'.format(name)"),
        ("literals", "sa.literal_column(name)"),
        ("literals", "literal_column(f'{x}')"),
    ],
)
def test_the_search_finds(kind: str, code: str) -> None:
    """SQ2: each way to make SQL of a text is one that the test above would see."""
    tree = ast.parse(code)
    assert list({"texts": _texts, "assembled": _assembled, "literals": _literals}[kind](tree))

"""A read becomes one statement, whose one row is the finished answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import apsw
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from backstay import Me, allow
from backstay.catalog import build_catalog
from backstay.errors import PlanError
from backstay.plan.intent import ReadPlan
from backstay.plan.read import plan_read
from backstay.plan.scope import Scope
from backstay.plan.shape import shape_of
from backstay.policy import Principal, compile_rules
from backstay.request import parse_query
from backstay.sql.select import select_counted, select_lines, select_rows
from tests.sql.memory import POSTGRESQL, SQLITE, asked, memory, written


class Base(DeclarativeBase):
    """The models of this file."""


class Writer(Base):
    __tablename__ = "writers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    boss_id: Mapped[int | None] = mapped_column(sa.ForeignKey("writers.id"))
    letters: Mapped[list[Letter]] = relationship(back_populates="writer")


letter_labels = sa.Table(
    "letter_labels",
    Base.metadata,
    sa.Column("letter_id", sa.ForeignKey("letters.id"), primary_key=True),
    sa.Column("label_id", sa.ForeignKey("labels.id"), primary_key=True),
    sa.Column("shown", sa.Boolean),
)


class Label(Base):
    __tablename__ = "labels"
    id: Mapped[int] = mapped_column(primary_key=True)
    word: Mapped[str]


class Letter(Base):
    __tablename__ = "letters"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str | None]
    size: Mapped[int] = mapped_column()
    more: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    writer_id: Mapped[int | None] = mapped_column(sa.ForeignKey("writers.id"))
    writer: Mapped[Writer | None] = relationship(back_populates="letters")
    labels: Mapped[list[Label]] = relationship(secondary=letter_labels)
    share: Mapped[float] = column_property(100.0 / size)


@allow("read", Letter)
def letters_are_open(me: Me) -> Any:
    """All but letter 9."""
    return Letter.id != 9


@allow("read", Writer)
def writers_are_known(me: Me) -> Any:
    """All but writer 3."""
    return Writer.id != 3


@allow("read", Label)
def labels_are_open(me: Me) -> Any:
    """All of them."""
    return True


@allow("read", letter_labels)
def some_labels_are_shown(me: Me) -> Any:
    """What is labelled in secret is nobody's to see."""
    return letter_labels.c.shown


CATALOG: Final = build_catalog(Base)
RULES: Final = compile_rules([letters_are_open, writers_are_known, labels_are_open, some_labels_are_shown], CATALOG)
SCRIPT: Final = (
    "CREATE TABLE writers (id INTEGER PRIMARY KEY, name, boss_id INTEGER)",
    "CREATE TABLE letters (id INTEGER PRIMARY KEY, text, size INTEGER, more, writer_id INTEGER)",
    "CREATE TABLE labels (id INTEGER PRIMARY KEY, word)",
    "CREATE TABLE letter_labels (letter_id INTEGER, label_id INTEGER, shown)",
    "INSERT INTO writers VALUES (1, 'ann', NULL), (2, 'bob', 1), (3, 'cy', 1), (4, 'dee', 2)",
    "INSERT INTO letters VALUES (1, 'a', 5, '{\"n\":1}', 1), (2, 'b', 5, NULL, 2), (3, NULL, 2, '{\"n\":2}', 3),"
    " (4, 'd', 1, NULL, NULL), (5, 'a', 2, '{\"n\":null}', 2), (9, 'a', 0, '{', 2)",
    "INSERT INTO labels VALUES (1, 'red'), (2, 'blue')",
    "INSERT INTO letter_labels VALUES (1, 1, 1), (1, 2, 1), (2, 1, 0), (9, 2, 1)",
)


def plan(path: str, *, count: bool = False, most: int | None = None) -> tuple[ReadPlan, tuple[Any, ...]]:
    table, _, query = path.partition("?")
    shape, values = shape_of(parse_query(query).query)
    scope = Scope(CATALOG, RULES, Principal().kind, aggregates=None)
    return replace(plan_read(table, shape, scope), count=count, count_most=most), values


@pytest.fixture(scope="module")
def post() -> Iterator[apsw.Connection]:
    with memory(*SCRIPT) as connection:
        yield connection


def answer(post: apsw.Connection, path: str, most: int | None = None) -> Any:
    found, values = plan(path)
    ((body, rows, total),) = asked(post, select_rows(found, SQLITE, max_rows=most), *values)
    told = json.loads(body)
    assert (len(told), None) == (rows, total)
    return told


def ids(rows: Any) -> list[int]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("letters?select=id", [1, 2, 3, 4, 5]),
        ("letters?select=id&order=text", [1, 5, 2, 4, 3]),
        ("letters?select=id&order=text.desc", [3, 4, 2, 5, 1]),
        ("letters?select=id&order=text.nullsfirst", [3, 1, 5, 2, 4]),
        ("letters?select=id&order=text.desc.nullslast", [4, 2, 5, 1, 3]),
        ("letters?select=id&order=size.desc,id", [1, 2, 3, 5, 4]),
        ("letters?select=id&order=size", [4, 3, 5, 1, 2]),
        ("letters?select=id&order=size.desc", [2, 1, 5, 3, 4]),
        ("letters?select=id&order=more->>n", [1, 3, 2, 4, 5]),
        ("letters?select=id,writers(id)&order=writers(name).desc,id.desc", [4, 3, 5, 2, 1]),
        ("letters?select=id,writers(id)&order=writers(name).nullsfirst", [3, 4, 1, 2, 5]),
        ("letters?select=id,writers(id)&order=writers(id).desc", [4, 3, 5, 2, 1]),
        ("letters?select=id&limit=2", [1, 2]),
        ("letters?select=id&limit=2&offset=3", [4, 5]),
        ("letters?select=id&offset=4", [5]),
        ("letters?select=id&limit=0", []),
        ("letters?select=id&size=eq.5", [1, 2]),
        ("letters?select=id&size=not.eq.5", [3, 4, 5]),
        ("letters?select=id&or=(size.eq.1,text.eq.b)", [2, 4]),
        ("letters?select=id&and=(size.eq.5,text.eq.b)", [2]),
        ("letters?select=id&not.or=(size.eq.5,size.eq.2)", [4]),
        ("letters?select=id&not.and=(size.eq.5,id.eq.1)", [2, 3, 4, 5]),
        ("letters?select=id&share=gt.60", [4]),
        ("letters?select=id&more->n=eq.2", [3]),
        # An embed chooses by its rows that the caller sees, whichever way it is said.
        ("letters?select=id,writers!inner(id)", [1, 2, 5]),
        ("letters?select=id,writers()&writers=not.is.null", [1, 2, 5]),
        ("letters?select=id,writers()&writers=is.null", [3, 4]),
        ("letters?select=id,writers!inner()&writers.name=eq.bob", [2, 5]),
        ("letters?select=id,labels!inner(id)", [1]),
        ("letters?select=id,labels()&labels=is.null", [2, 3, 4, 5]),
        ("letters?select=id,labels()&labels=not.is.null", [1]),
        ("letters?select=id,labels!inner(id)&labels.word=eq.green", []),
        ("writers?select=id,letters!inner(id)", [1, 2]),
        ("writers?select=id,letters!inner(id)&letters.size=eq.0", []),
        ("writers?select=id,letters!inner(id,labels!inner(id))", [1]),
        ("letters?select=id,writers!inner(id,boss:boss_id!inner(id))", [2, 5]),
        ("letters?select=id,writers(id,boss:boss_id!inner(id))&writers=not.is.null", [2, 5]),
        ("letters?select=id,writers(id)&writers.limit=0&writers=not.is.null", []),
    ],
)
def test_which_rows(post: apsw.Connection, path: str, expected: list[int]) -> None:
    """Rows that are seen, asked for, in the order that is asked for, and no others; ties follow the key."""
    assert expected == ids(answer(post, path))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("letters?select=id,writers(name)&id=in.(1,3,4)", [{"name": "ann"}, None, None]),
        ("letters?select=id,writers(name,boss:boss_id(name))&id=in.(1,2)", [{"name": "ann", "boss": None}, {"name": "bob", "boss": {"name": "ann"}}]),
        ("letters?select=id,writers(boss:boss_id!inner(name))&id=in.(1,2)", [None, {"boss": {"name": "ann"}}]),
        ("letters?select=id,writers(name)&writers.name=eq.bob&id=lt.3", [None, {"name": "bob"}]),
        ("letters?select=id,writers(name)&writers.limit=0&id=eq.1", [None]),
        ("letters?select=id,writers(name)&writers.limit=1&id=eq.1", [{"name": "ann"}]),
        ("letters?select=id,writers(name)&writers.offset=1&id=eq.1", [None]),
        ("letters?select=id,writers(name)&writers.offset=0&id=eq.1", [{"name": "ann"}]),
        ("letters?select=id,writers(letters(id))&id=in.(1,3)", [{"letters": [{"id": 1}]}, None]),
    ],
)  # fmt: skip
def test_one_related_row(post: apsw.Connection, path: str, expected: Any) -> None:
    """A related row that is not there, not seen or not on its page is null."""
    assert expected == [row["writers"] for row in answer(post, path)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("writers?select=letters(id)", [[1], [2, 5], []]),
        ("writers?select=letters(id)&letters.order=id.desc", [[1], [5, 2], []]),
        ("writers?select=letters(id)&letters.limit=1", [[1], [2], []]),
        ("writers?select=letters(id)&letters.offset=1", [[], [5], []]),
        ("writers?select=letters(id)&letters.size=eq.5", [[1], [2], []]),
        ("letters?select=letters:labels(id)&id=lt.3", [[1, 2], []]),
        ("letters?select=letters:labels(id)&letters.word=eq.blue&id=lt.3", [[2], []]),
    ],
)
def test_related_rows(post: apsw.Connection, path: str, expected: Any) -> None:
    """The rows of each row above, as far as they are seen: through the table in the middle, too."""
    assert expected == [ids(row["letters"]) for row in answer(post, path)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("letters?select=id,...writers(name)&id=in.(2,3)", [{"id": 2, "name": "bob"}, {"id": 3, "name": None}]),
        ("writers?select=...letters(id,size)&id=in.(2,4)", [{"id": [2, 5], "size": [5, 2]}, {"id": [], "size": []}]),
        ("letters?select=id,id,writers()&id=eq.1", [{"id": 1}]),
        ("letters?select=id,labels()&id=eq.1", [{"id": 1}]),
        ("letters?select=id,writers(labels:letters())&id=eq.1", [{"id": 1}]),
        ("letters?select=s:size::text,share,more->n&id=eq.1", [{"s": "5", "share": 20.0, "n": 1}]),
        ("letters?select=share::text&id=eq.4", [{"share": "100.0"}]),
        ("letters?select=count()", [{"count": 5}]),
        ("letters?select=size,count(),text.max()&order=size", [{"size": 1, "count": 1, "max": "d"}, {"size": 2, "count": 2, "max": "a"}, {"size": 5, "count": 2, "max": "b"}]),
        ("letters?select=size,id.sum()&order=size.desc&limit=1", [{"size": 5, "sum": 3}]),
        ("letters?select=size,count()", [{"size": 1, "count": 1}, {"size": 2, "count": 2}, {"size": 5, "count": 2}]),
        ("letters?select=text,count()", [{"text": "a", "count": 2}, {"text": "b", "count": 1}, {"text": "d", "count": 1}, {"text": None, "count": 1}]),
        ("letters?select=text,count()&order=text.desc", [{"text": None, "count": 1}, {"text": "d", "count": 1}, {"text": "b", "count": 1}, {"text": "a", "count": 2}]),
        ("letters?select=size.sum()::text", [{"sum": "15"}]),
        ("letters?select=size::text,count()&size=eq.5", [{"size": "5", "count": 2}]),
        ("letters?select=more->>n,count()&id=lt.3", [{"n": "1", "count": 1}, {"n": None, "count": 1}]),
        ("writers?select=id,letters(size.sum())", [{"id": 1, "letters": [{"sum": 5}]}, {"id": 2, "letters": [{"sum": 7}]}, {"id": 4, "letters": [{"sum": None}]}]),
        ("letters?select=...writers(name),count()&writer_id=not.is.null", [{"name": "ann", "count": 1}, {"name": "bob", "count": 2}, {"name": None, "count": 1}]),
    ],
)  # fmt: skip
def test_what_rows_show(post: apsw.Connection, path: str, expected: Any) -> None:
    """Keys, spread embeds, casts, computed fields, groups and their order."""
    assert expected == answer(post, path)


@pytest.mark.parametrize(
    ("path", "column"),
    [("letters?select=count()&order=size", "size"), ("letters?select=size::text,count()&order=size", "size"), ("letters?select=count(),writers(count())&order=writers(name)", "writers.name")],
)  # fmt: skip
def test_groups_have_no_other_order(path: str, column: str) -> None:
    """Rows that an aggregate makes have no value of a single row to be ordered by."""
    with pytest.raises(PlanError) as refused:
        select_rows(plan(path)[0], SQLITE, max_rows=None)
    assert ("42803", True) == (refused.value.code, f'"{column}"' in refused.value.message)


@pytest.mark.parametrize(
    ("limit", "most", "expected"),
    [("", 3, 3), ("", None, 5), ("&limit=2", 3, 2), ("&limit=4", 3, 3), ("&limit=4", None, 4), ("&limit=0", 3, 0)],
)
def test_most_rows(post: apsw.Connection, limit: str, most: int | None, expected: int) -> None:
    """The smaller of what is asked for and what may be."""
    assert expected == len(answer(post, f"letters?select=id{limit}", most))


@pytest.mark.parametrize(("query", "code"), [("limit=-1", "PGRST103")])
def test_no_negative_limit(post: apsw.Connection, query: str, code: str) -> None:
    """Fewer than no rows are refused when the statement is filled."""
    with pytest.raises(PlanError) as refused:
        answer(post, f"letters?select=id&{query}")
    assert code == refused.value.code


@pytest.mark.parametrize(
    ("path", "most", "total"),
    [
        ("letters?select=id&limit=1", None, 5),
        ("letters?select=id&size=eq.5&limit=1", None, 2),
        ("letters?select=id&limit=1", 5, 5),
        ("letters?select=id&limit=1", 4, 5),
        ("letters?select=id&limit=1", 2, 3),
        ("letters?select=size,count()&limit=1", None, 3),
        ("letters?select=size,count()&limit=1", 1, 2),
        ("letters?select=id,writers!inner(id)&limit=1", None, 3),
        ("letters?select=id&share=gt.60&limit=1", None, 1),
    ],
)
def test_counts(post: apsw.Connection, path: str, most: int | None, total: int) -> None:
    """All rows that are seen and asked for, whatever the page; above *most*, one more stands for any number."""
    found, values = plan(path, count=True, most=most)
    ((_, rows, counted),) = asked(post, select_rows(found, SQLITE, max_rows=1), *values)
    assert (1, total) == (rows, counted)
    if most is None:
        assert total == len(asked(post, select_counted(found, SQLITE), *values))


def test_lines(post: apsw.Connection) -> None:
    """Each row is a text of its own: at most so many, with a bound of their own in embeds."""
    found, values = plan("writers?select=id,letters(id)")
    rows = asked(post, select_lines(found, SQLITE, max_rows=1, most=2), *values)
    assert [{"id": 1, "letters": [{"id": 1}]}, {"id": 2, "letters": [{"id": 2}]}] == [json.loads(r[0]) for r in rows]


@pytest.mark.parametrize(("dialect", "form", "begins"), [(POSTGRESQL, "csv", "SELECT left(CAST(concat(CASE"), (POSTGRESQL, "stripped", "json_strip_nulls"), (SQLITE, "csv", "SELECT json_group_array"), (SQLITE, "stripped", "SELECT json_group_array")])  # fmt: skip
def test_forms(dialect: Any, form: Any, begins: str) -> None:
    """CSV and objects without nulls are made by the database that can, and of JSON else."""
    said = written(select_rows(plan("letters?select=id,text")[0], dialect, max_rows=None, form=form), dialect)
    assert begins.replace("SELECT left(CAST(concat(CASE", "concat(CASE") in said


@pytest.mark.parametrize(
    ("path", "joins"),
    [
        ("letters?select=id,writers(id,boss:boss_id(id))", "FROM letters AS t1 LEFT OUTER JOIN writers AS t2 ON"),
        ("letters?select=id,writers(id,boss:boss_id(id))", "LEFT OUTER JOIN writers AS t3 ON"),
        ("letters?select=id,writers!inner(id)", "FROM letters AS t1 JOIN writers AS t2 ON"),
        ("letters?select=id,writers(id,boss:boss_id!inner(id))", "LEFT OUTER JOIN (writers AS t2 JOIN writers AS t3 ON"),
        ("letters?select=id,writers!inner(id,boss:boss_id(id))", "JOIN (writers AS t2 LEFT OUTER JOIN writers AS t3 ON"),
    ],
)  # fmt: skip
def test_joins(path: str, joins: str) -> None:
    """A chain of left joins stays flat, as SQLite's indexes want it; what must be decided first is nested."""
    said = written(select_rows(plan(path)[0], SQLITE, max_rows=None), SQLITE)
    assert joins in said
    assert ("(writers" in joins) == ("JOIN (" in said)


def test_a_limit_is_written_out() -> None:
    """The planner knows how few rows are wanted; an index that gives a key's order is walked in one direction."""
    said = written(select_rows(plan("letters?select=id&order=size.desc")[0], SQLITE, max_rows=7), SQLITE)
    assert "ORDER BY t1.size DESC, t1.id DESC LIMIT 7" in said

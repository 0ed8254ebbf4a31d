"""S3, P1: whatever brings words of its own into the SQL may look at any row, and is not read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.sql.elements import ColumnElement

from backstay.catalog.build import build_catalog
from backstay.catalog.computed import computed_fields
from backstay.catalog.readable import unreadable
from backstay.errors import ConfigError
from backstay.policy import allow, compile_rules
from tests.policy.written import CATALOG, Note, Word


class Own(ColumnElement[bool]):
    """Compiled by the author."""

    inherit_cache = True
    type = sa.Boolean()


@compiles(Own)
def _own(element: Any, compiler: Any, **_: Any) -> str:
    return "(select max(stars) from notes) > 1"


class Mine(sa.sql.functions.GenericFunction[bool]):
    """Only a name."""

    inherit_cache = True
    type = sa.Boolean()
    name = "may_see"


_OTHER = sa.select(Word.id)

UNREAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: sa.column("stars") == 1, "a column without a table: stars"),
    (lambda: sa.func.coalesce(sa.column("stars"), 0) == 1, "a column without a table"),
    (
        lambda: sa.exists(sa.select(Word.id).where(Word.note_id == Note.id, Word.id == sa.column("id"))),
        "without a table",
    ),
    (lambda: sa.literal_column("stars") == 1, "a text: 'stars'"),
    (lambda: sa.and_(Note.public, sa.exists(_OTHER.where(sa.text("1 = 1")))), "a text"),
    (lambda: Note.id.in_(sa.text("select 1").columns(sa.column("a"))), ""),
    (lambda: Note.team.op("|| (select max(team) from notes) ||")("x") == "y", "an operator that is a text"),
    (lambda: Note.team.op("|| meta ||")("x") == "y", "an operator that is a text"),
    (lambda: Note.public.op("or")(sa.true()), "an operator that is a text"),
    (lambda: Note.public.op("= 1 --")(sa.true()), "an operator that is a text"),
    (lambda: Note.public.op("/*")(sa.true()), "an operator that is a text"),
    (lambda: Note.team.bool_op("or 1 =")("x"), "an operator that is a text"),
    (lambda: Note.id.in_(_OTHER.prefix_with("distinct")), "a prefix"),
    (lambda: Note.id.in_(_OTHER.suffix_with("union select 1")), "a prefix"),
    (lambda: Note.id.in_(_OTHER.with_statement_hint("x")), "a prefix"),
    (lambda: Note.id.in_(_OTHER.with_hint(Word, "x")), "a prefix"),
    (lambda: Note.team.collate('"C" || (select 1)') == "x", "a collation"),
    (lambda: sa.bindparam("x", callable_=lambda: True, type_=sa.Boolean), "a function's of its own"),
    (lambda: Note.stars == sa.bindparam("x"), "a parameter without a value"),
    (lambda: Own() & Note.public, "a construct that is compiled by a function"),
    (
        lambda: sa.cast(sa.func.query_to_xml("select 1", True, True, ""), sa.String) == "x",
        "told by a text what to read",
    ),
    (lambda: sa.func.dblink("x") == "x", "told by a text what to read"),
]


@pytest.mark.parametrize(("make", "seen"), UNREAD, ids=range(len(UNREAD)))
def test_what_nobody_can_read_is_refused(make: Callable[[], Any], seen: str) -> None:
    """P1: a policy with it ends the start."""

    def policy(me: Any) -> Any:
        return make()

    with pytest.raises(ConfigError) as refused:
        compile_rules([allow("read", Note)(policy)], CATALOG)
    codes = {"BST-E027"} if seen and seen != "a text" else {"BST-E027", "BST-E023", "BST-E051", "BST-E050"}
    assert (True, True) == (refused.value.code in codes, codes != {"BST-E027"} or seen in refused.value.message), (
        refused.value
    )


READ: list[Callable[[], Any]] = [
    lambda: Note.team.op("~")("x"),
    lambda: Note.team.op("@@")("x"),
    lambda: Note.team.op("NOT LIKE")("x"),
    lambda: Note.team.op("glob")("x"),
    lambda: Note.meta["a"].as_string() == "x",
    lambda: Note.team.collate("NOCASE") == "x",
    lambda: Note.team.collate("de_DE.utf8") == "x",
    lambda: sa.exists(sa.select(sa.literal_column("1")).where(Word.note_id == Note.id)),
    lambda: sa.exists(sa.select(sa.text("1")).where(Word.note_id == Note.id)),
    lambda: sa.select(sa.func.count("*")).where(Word.note_id == Note.id).scalar_subquery() > 2,
    lambda: Note.id.in_(sa.select(sa.select(Word.note_id).subquery().c.note_id)),
    lambda: Note.id.in_(sa.select(sa.select(Word.note_id).cte("x").c.note_id)),
    lambda: sa.exists(sa.select(sa.func.json_each(Note.meta).table_valued("value", name="j").c.value)),
    lambda: Note.id.in_(sa.values(sa.column("a", sa.Integer), name="v").data([(1,)])),
    lambda: sa.extract("year", sa.func.now()) > Note.stars,
    lambda: Mine(Note.id),
    lambda: sa.func.may_see(Note.id),
    lambda: Note.words.any(Word.text.startswith("x")),
]


@pytest.mark.parametrize("make", READ, ids=range(len(READ)))
def test_what_is_known_is_read(make: Callable[[], Any]) -> None:
    """P1: operators, collations, functions, constants, columns of subqueries, lists and functions of rows."""
    assert unreadable(sa.sql.coercions.expect(sa.sql.roles.WhereHavingRole, make())) is None


def test_no_computed_field_says_it() -> None:
    """S3: a field that holds it is not served."""
    table, base = sa.Table, sa.orm.declarative_base()

    class Thing(base):  # type: ignore[misc,valid-type]
        __tablename__ = "things"
        id = sa.Column(sa.Integer, primary_key=True)
        secret = sa.Column(sa.Integer)
        named = sa.orm.column_property(sa.func.coalesce(sa.column("secret"), 0))
        bare = sa.orm.column_property(sa.column("secret", sa.Integer) + 0)
        texts = sa.orm.column_property(id.op("+ secret +")(0))
        right = sa.orm.column_property(id + 1)

    sa.orm.configure_mappers()
    assert isinstance(Thing.__table__, table)
    fields, left_out = computed_fields(Thing.__table__, sa.inspect(Thing))
    assert {"right"} == set(fields)
    assert ["named", "bare", "texts"] == [sentence.split()[3].partition(".")[2] for sentence in left_out]


def test_a_field_that_is_not_served_is_told() -> None:
    """A model that declares a field whose type nobody knows, or that is a slip, hears of it when the app starts."""
    base = sa.orm.declarative_base()

    class Item(base):  # type: ignore[misc,valid-type]
        __tablename__ = "items"
        id = sa.Column(sa.Integer, primary_key=True)
        open = sa.Column(sa.Boolean)
        strange = sa.orm.column_property(sa.func.made(id))
        slip = sa.orm.column_property((open & id) < 3)
        _own = sa.orm.column_property(sa.func.made(id))
        cast_to = sa.orm.column_property(sa.cast(sa.func.made(id), sa.Integer))

        @hybrid_property
        def vague(self) -> dict[str, int]:
            return sa.func.made(self.id)  # type: ignore[return-value]

        @hybrid_property
        def known(self) -> int | None:
            return sa.func.made(self.id)  # type: ignore[return-value]

    catalog = build_catalog([Item])
    assert {"cast_to", "known"} == set(catalog.tables["items"].computed)
    told = {sentence.split()[3]: sentence for sentence in catalog.findings}
    assert {"items.strange", "items.slip", "items.vague"} == set(told)
    assert "nobody knows its type; annotate what it returns, or cast() it" in told["items.vague"]
    assert "compares an AND or OR as if it were a value" in told["items.slip"]

"""What PostgreSQL is asked: its operators, with each value cast where it stands."""

from __future__ import annotations

from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from backstay.catalog import Searchable
from backstay.catalog.geometry import Geometry
from backstay.catalog.opaque import Composite, Opaque
from backstay.errors import PlanError
from backstay.plan.intent import Compare, Operand
from backstay.policy import Principal
from backstay.request.field import Step
from backstay.sql.dialect import Form, Typed
from backstay.sql.prepared import prepare
from tests.sql.memory import POSTGRESQL, SENT, SQLITE, column, compared, written

V: Final = sa.column("v")
INTS: Final = sa.ARRAY(sa.Integer())
JSON, JSONB = sa.JSON(), pg.JSONB()


def plain(expression: Any) -> str:
    """*expression* as text, in which both names of a text's type are one."""
    return written(expression).replace("TEXT", "VARCHAR")


def said(type_: Any, op: str, *given: Any, **more: Any) -> str:
    return plain(POSTGRESQL.compare(Typed(V, type_), compared(type_, op, *given, **more)))


@pytest.mark.parametrize(
    ("type_", "op", "more", "sql"),
    [
        *((sa.Integer(), op, {}, f"v {sign} CAST($1::VARCHAR AS INTEGER)") for op, sign in {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}.items()),
        *((sa.Text(), op, {}, f"v {sign} $1::VARCHAR") for op, sign in {"like": "LIKE", "ilike": "ILIKE", "match": "~", "imatch": "~*"}.items()),
        *((pg.INT4RANGE(), op, {}, f"v {sign} CAST($1::VARCHAR AS INT4RANGE)") for op, sign in {"cs": "@>", "cd": "<@", "ov": "&&", "sl": "<<", "sr": ">>", "nxr": "&<", "nxl": "&>", "adj": "-|-"}.items()),
        # A value is not cut to its column's length or scale.
        (sa.String(3), "eq", {}, "v = $1::VARCHAR"),
        (sa.Numeric(5, 2), "eq", {}, "v = CAST($1::VARCHAR AS NUMERIC)"),
        (pg.TIMESTAMP(True, 0), "eq", {}, "v = CAST($1::VARCHAR AS TIMESTAMP WITH TIME ZONE)"),
        (pg.TIMESTAMP(False, 0), "eq", {}, "v = CAST($1::VARCHAR AS TIMESTAMP WITHOUT TIME ZONE)"),
        (sa.ARRAY(sa.String(3)), "eq", {}, "v = CAST($1::VARCHAR AS TEXT[])"),
        (sa.ARRAY(sa.Numeric(5, 2)), "eq", {}, "v = CAST($1::VARCHAR AS NUMERIC[])"),
        (sa.Integer(), "in", {}, "v = any(CAST($1::VARCHAR[] AS INTEGER[]))"),
        (sa.Text(), "in", {}, "v = any($1::VARCHAR[])"),
        (INTS, "in", {}, "v = ANY (SELECT CAST(_a AS INTEGER[]) AS _a FROM unnest($1::VARCHAR[]) AS _a)"),
        (sa.Integer(), "isdistinct", {}, "v IS DISTINCT FROM CAST($1::VARCHAR AS INTEGER)"),
        (sa.Integer(), "gt", {"quantifier": "any"}, "v > any(CAST($1::VARCHAR[] AS INTEGER[]))"),
        (sa.Integer(), "gt", {"quantifier": "all"}, "v > all(CAST($1::VARCHAR[] AS INTEGER[]))"),
        (sa.Text(), "like", {"quantifier": "any"}, "v LIKE any($1::VARCHAR[])"),
        (INTS, "eq", {"quantifier": "all"}, "v = ALL (SELECT CAST(_a AS INTEGER[]) AS _a FROM unnest($1::VARCHAR[]) AS _a)"),
        (JSON, "cs", {}, "CAST(v AS JSONB) @> CAST($1::VARCHAR AS JSONB)"),
        (JSON, "cd", {}, "CAST(v AS JSONB) <@ CAST($1::VARCHAR AS JSONB)"),
        (INTS, "ov", {}, "v && CAST($1::VARCHAR AS INTEGER[])"),
        (JSONB, "eq", {"path": (Step("a"),)}, "CAST(v -> $1::VARCHAR AS JSONB) = CAST($2::VARCHAR AS JSONB)"),
        (JSONB, "eq", {"path": (Step("a", True),)}, "v ->> $1::VARCHAR = $2::VARCHAR"),
        (JSON, "gt", {"path": (Step("a"), Step(0, True))}, "(v -> $1::VARCHAR) ->> $2::INTEGER > $3::VARCHAR"),
        (INTS, "eq", {"path": (Step(0, True),)}, "to_jsonb(v) ->> $1::INTEGER = $2::VARCHAR"),
    ],
)  # fmt: skip
def test_operators(type_: Any, op: str, more: Any, sql: str) -> None:
    """Each operator by its own sign, over every kind of value that it takes."""
    assert sql.replace("TEXT", "VARCHAR") == said(type_, op, **more)


@pytest.mark.parametrize(("word", "sql"), [("null", "IS NULL"), ("not_null", "IS NOT NULL"), ("true", "IS true"), ("false", "IS false"), ("unknown", "IS UNKNOWN")])  # fmt: skip
def test_is(word: str, sql: str) -> None:
    """The five words of IS."""
    assert f"v {sql}" == said(sa.Boolean(), "is", word)


@pytest.mark.parametrize(
    ("op", "value"), [("eq", "5"), ("in", ("5",)), ("like", "x"), ("between", SENT), ("fts", SENT)]
)
def test_nothing_else(op: str, value: Any) -> None:
    """SQ1: a value that was not taken out of the request is no part of a statement, nor is an unknown operator."""
    with pytest.raises(PlanError) as refused:
        said(sa.Text(), op, value)
    assert "PGRST100" == refused.value.code


@pytest.mark.parametrize(
    ("type_", "op", "quantifier", "given", "bound"),
    [
        (sa.Text(), "like", None, "a*", "a%"),
        (sa.Text(), "ilike", "any", ("a*", "b"), ["a%", "b"]),
        (sa.Text(), "match", None, "a*", "a*"),
        (sa.Text(), "eq", None, "a*", "a*"),
        (sa.Integer(), "in", None, ("1", "2"), ["1", "2"]),
        (sa.Date(), "eq", None, "soon", "soon"),
        (sa.Integer(), "eq", None, "five", "22P02"),
        (sa.Integer(), "in", None, ("1", "five"), "22P02"),
        (sa.Boolean(), "eq", None, "maybe", "22P02"),
        (sa.Uuid(), "eq", None, "x", "22P02"),
        (sa.Date(), "eq", None, "a\0", "22021"),
        (sa.Text(), "eq", "any", ("a\0",), "22021"),
        (sa.Text(), "match", None, "x" * 201, "PGRST100"),
        (sa.Text(), "imatch", "all", ("x" * 201,), "PGRST100"),
        (sa.Text(), "like", None, "a\\", "22025"),
    ],
)
def test_values(type_: Any, op: str, quantifier: Any, given: Any, bound: Any) -> None:
    """Few values are read before PostgreSQL reads them: those whose reading is the same everywhere, and patterns."""
    asked = POSTGRESQL.compare(Typed(V, type_), compared(type_, op, quantifier=quantifier))
    prepared = prepare(sa.select(asked), POSTGRESQL.compiler)
    if isinstance(bound, str) and (bound.startswith("PGRST") or (len(bound) == 5 and bound.startswith("22"))):
        with pytest.raises(PlanError) as refused:
            prepared.bind((given,), Principal())
        assert bound == refused.value.code
        guard = POSTGRESQL.guard(compared(type_, op, quantifier=quantifier))
        if guard is not None:
            with pytest.raises(PlanError):
                prepare(sa.select(guard), POSTGRESQL.compiler).bind((given,), Principal())
    else:
        assert (bound,) == prepared.bind((given,), Principal()).args


@pytest.mark.parametrize(
    ("type_", "op", "more", "sql"),
    [
        (sa.Date(), "eq", {}, "CAST($1::VARCHAR AS DATE) IS NOT NULL"),
        (sa.Date(), "in", {}, "coalesce((SELECT bool_and(CAST(_g AS DATE) IS NOT NULL) AS bool_and_1 FROM unnest($1::VARCHAR[]) AS _g), true)"),
        (sa.Date(), "gt", {"quantifier": "all"}, "coalesce((SELECT bool_and(CAST(_g AS DATE) IS NOT NULL) AS bool_and_1 FROM unnest($1::VARCHAR[]) AS _g), true)"),
        (sa.Text(), "match", {}, "($1::VARCHAR ~ $2::VARCHAR) IS NOT NULL"),
        (sa.Text(), "imatch", {"quantifier": "any"}, "coalesce((SELECT bool_and(($1::VARCHAR ~ _g) IS NOT NULL) AS bool_and_1 FROM unnest($2::VARCHAR[]) AS _g), true)"),
        (JSON, "cs", {}, "CAST($1::VARCHAR AS JSONB) IS NOT NULL"),
        (JSON, "eq", {}, "CAST($1::VARCHAR AS JSON) IS NOT NULL"),
        (INTS, "cs", {}, "CAST($1::VARCHAR AS INTEGER[]) IS NOT NULL"),
        (JSONB, "eq", {"path": (Step("a"),)}, "CAST($1::VARCHAR AS JSONB) IS NOT NULL"),
        (JSONB, "eq", {"path": (Step("a", True),)}, None),
        (JSONB, "match", {"path": (Step("a", True),)}, "($1::VARCHAR ~ $2::VARCHAR) IS NOT NULL"),
        (sa.Date(), "is", {"value": "null"}, None),
        *((type_, "eq", {}, None) for type_ in (sa.Text(), sa.Integer(), sa.Boolean(), sa.Uuid())),
        (sa.Text(), "like", {}, None),
        (sa.Text(), "in", {}, None),
    ],
)  # fmt: skip
def test_guards(type_: Any, op: str, more: Any, sql: str | None) -> None:
    """AC4: what only PostgreSQL reads is read once, before any row, so that a flaw does not tell that there is one."""
    found = POSTGRESQL.guard(compared(type_, op, **more))
    assert sql == (None if found is None else plain(found))


ENGLISH: Final = Searchable("v", language="english")


@pytest.mark.parametrize(
    ("type_", "op", "language", "declared", "path", "sql"),
    [
        (sa.Text(), "fts", None, None, (), "to_tsvector(v) @@ to_tsquery($1::VARCHAR)"),
        (pg.TSVECTOR(), "plfts", None, None, (), "v @@ plainto_tsquery($1::VARCHAR)"),
        (sa.Text(), "phfts", "french", None, (), "to_tsvector(CAST($1::VARCHAR AS REGCONFIG), v) @@ phraseto_tsquery(CAST($2::VARCHAR AS REGCONFIG), $3::VARCHAR)"),
        (sa.Text(), "wfts", None, ENGLISH, (), "to_tsvector(CAST($1::VARCHAR AS REGCONFIG), v) @@ websearch_to_tsquery(CAST($2::VARCHAR AS REGCONFIG), $3::VARCHAR)"),
        (pg.TSVECTOR(), "fts", "french", ENGLISH, (), "v @@ to_tsquery(CAST($1::VARCHAR AS REGCONFIG), $2::VARCHAR)"),
        (JSONB, "fts", None, None, (Step("a", True),), "to_tsvector(v ->> $1::VARCHAR) @@ to_tsquery($2::VARCHAR)"),
    ],
)  # fmt: skip
def test_searches(type_: Any, op: str, language: Any, declared: Any, path: Any, sql: str) -> None:
    """A search reads its words in the language that is asked for, else in the one that is declared."""
    asked = Compare(Operand(column("v", type_), path), op, SENT, language=language, searchable=declared)
    typed = Typed(V, type_)
    assert sql == plain(POSTGRESQL.search(sa.table("t"), typed, asked))
    ranked = plain(POSTGRESQL.relevance(sa.table("t"), typed, asked))
    assert f"ts_rank({sql.replace(' @@ ', ', ')})" == ranked
    guard = POSTGRESQL.guard(asked)
    assert guard is not None
    assert written(guard).endswith("IS NOT NULL")
    with pytest.raises(PlanError):
        POSTGRESQL.search(sa.table("t"), typed, Compare(Operand(column("v", type_), path), op, "cat"))


PAIRS: Final = [(f"k{i}", sa.literal_column(str(i))) for i in range(120)]


def test_objects() -> None:
    """At most 50 keys fit into one call; longer objects are glued of several."""
    assert "json_build_object" in written(POSTGRESQL.json_object(PAIRS[:50]))
    assert "concat" not in written(POSTGRESQL.json_object(PAIRS[:50]))
    assert 1 == written(POSTGRESQL.json_object(PAIRS[:50])).count("json_build_object")
    assert 2 == written(POSTGRESQL.json_object(PAIRS[:51])).count("json_build_object")
    long = written(POSTGRESQL.json_object(PAIRS))
    assert 3 == long.count("json_build_object")
    assert long.startswith("CAST(concat('{', left(substr(CAST(json_build_object(")
    assert 2 == long.count("','")
    assert long.endswith(", '}') AS JSON)")


@pytest.mark.parametrize(
    ("type_", "path", "sort", "tie"),
    [
        (sa.Text(), (), "v", "v"),
        (JSON, (), "CAST(v AS JSONB)", "CAST(v AS VARCHAR)"),
        (JSONB, (), "CAST(v AS JSONB)", "CAST(v AS VARCHAR)"),
        (INTS, (), "v", "CAST(v AS VARCHAR)"),
        (Opaque("point"), (), "v", "CAST(v AS VARCHAR)"),
        (JSONB, (Step("a", True),), "v ->> $1::VARCHAR", None),
        (JSONB, (Step("a"),), "CAST(v -> $1::VARCHAR AS JSONB)", None),
    ],
)
def test_order(type_: Any, path: Any, sort: str, tie: str | None) -> None:
    """JSON has an order as jsonb only; values that need not have one are told apart by their texts."""
    assert sort == plain(POSTGRESQL.sort_key(Typed(V, type_), path))
    assert tie is None or tie == plain(POSTGRESQL.tie_key(Typed(V, type_)))


@pytest.mark.parametrize(
    ("type_", "sql"),
    [
        (sa.Text(), "$1::VARCHAR"),
        (sa.Integer(), "CAST($1::VARCHAR AS INTEGER)"),
        (sa.Numeric(5, 2), "CAST($1::VARCHAR AS NUMERIC)"),
        (Composite("pair"), "CASE WHEN ($1::VARCHAR ^@ '{') THEN jsonb_populate_record(CAST(NULL AS pair), CAST($1::VARCHAR AS JSONB)) ELSE CAST($1::VARCHAR AS pair) END"),
    ],
)  # fmt: skip
def test_what_is_stored(type_: Any, sql: str) -> None:
    """A value travels as text; an object becomes a row of a row type."""
    parameter = sa.bindparam("p", type_=sa.Text())
    found = plain(POSTGRESQL.stored(column("v", type_), parameter))
    assert sql == found.replace("$2", "$1").replace("$3", "$1")


def test_rows_of_a_request() -> None:
    """Rows travel as an array of texts for each column; one without any has a place of its own."""
    columns = [column("a", sa.Integer()), column("b", sa.Text())]
    listed = POSTGRESQL.listed(columns, 3)
    assert (
        "SELECT CAST(anon_1._v0 AS INTEGER) AS _v0, anon_1._v1 AS _v1, anon_1._n FROM"
        " unnest($1::VARCHAR[], $2::VARCHAR[]) WITH ORDINALITY AS anon_1(_v0, _v1, _n)"
    ) == plain(sa.select(*listed.values, listed.ordinal))
    assert (["1", None], ["x", "y"]) == POSTGRESQL.pack([[("1", 1), ("x", "x")], [(None, None), ("y", "y")]], 2)
    assert ([None, None],) == POSTGRESQL.pack([[], []], 0)
    assert (["1", "2"],) == POSTGRESQL.pack_keys([("1",), ("2",)], 1)
    assert "unnest($1::VARCHAR[])" in plain(sa.select(POSTGRESQL.listed([], 0).ordinal))


def test_csv() -> None:
    """A line of keys, where there is a row, and a line for each row without its parentheses."""
    assert POSTGRESQL.csv is not None
    text = plain(POSTGRESQL.csv([("a", V), ("b", sa.column("w"))]))
    row = "CAST(row(v, w) AS VARCHAR)"
    assert text == (
        "concat(CASE WHEN (count(*) > 0) THEN $1::VARCHAR ELSE '' END, E'\\n', "
        f"coalesce(string_agg(substr({row}, 2, length({row}) - 2), E'\\n'), ''))"
    )


@pytest.mark.parametrize(
    ("name", "typed", "sql", "type_"),
    [
        ("count", None, "count(*)", sa.BigInteger),
        ("count", Typed(V, sa.Text()), "count(v)", sa.BigInteger),
        ("sum", Typed(V, sa.Integer()), "sum(v)", sa.Integer),
        ("max", Typed(V, sa.Text()), "max(v)", sa.Text),
    ],
)
def test_aggregates(name: str, typed: Any, sql: str, type_: Any) -> None:
    """PostgreSQL's own aggregates."""
    found = POSTGRESQL.aggregate(name, typed)
    assert (sql, True) == (written(found.expression), isinstance(found.type, type_))


def test_sealed() -> None:
    """An encrypted value as its digits and its row's key; null where there is none."""
    found = written(POSTGRESQL.sealed(V, [sa.column("id")]))
    assert "CASE WHEN (v IS NOT NULL) THEN json_build_array(encode(v, 'hex'), id) END" == found


@pytest.mark.parametrize(
    ("type_", "shown", "stored"),
    [
        (Geometry(), "v", "CAST($1::VARCHAR AS JSONB)"),
        (sa.Text(), "v", "$1::VARCHAR"),
        (Opaque("geometry"), "CAST(st_asgeojson(v) AS JSON)", "CAST($1::VARCHAR AS geometry)"),
        (Opaque("geography"), "CAST(st_asgeojson(v) AS JSON)", "CAST(CAST($1::VARCHAR AS geometry) AS geography)"),
        (Opaque('"Maps".geography'), 'CAST("Maps"."st_asgeojson"(v) AS JSON)', 'CAST(CAST($1::VARCHAR AS "Maps".geometry) AS "Maps".geography)'),
    ],
)  # fmt: skip
def test_geometries(type_: Any, shown: str, stored: str) -> None:
    """GeoJSON that is kept as JSON is shown as it is; PostGIS makes and reads it, by the functions beside its types."""
    assert shown == plain(POSTGRESQL.geojson(Typed(V, type_)))
    said_ = plain(POSTGRESQL.stored(column("v", type_), sa.bindparam("p", type_=sa.Text())))
    assert stored.lower() == said_.lower()


@pytest.mark.parametrize(
    ("dialect", "forms"),
    [(POSTGRESQL, ["json", "stripped", "csv", "features"]), (SQLITE, ["json", "json", "json", "features"])],
)
def test_forms(dialect: Any, forms: list[str]) -> None:
    """A form that the database does not make is made of its JSON."""
    asked: tuple[Form, ...] = ("json", "stripped", "csv", "features")
    assert forms == [dialect.form(form) for form in asked]


def test_keys_on_their_way_out() -> None:
    """Keys travel as texts, and as digits where they are bytes."""
    digits, plain_ = column("k", sa.LargeBinary()), column("k", sa.Integer())
    assert ["hex(k)", "k"] == [written(SQLITE.key_out(each), SQLITE) for each in (digits, plain_)]
    assert "CAST(k AS TEXT)" == written(POSTGRESQL.key_out(plain_))


def test_a_row_of_nothing() -> None:
    """A key without any default is named, so that nobody warns of it; others are the database's to fill."""
    table = sa.Table(
        "t",
        sa.MetaData(),
        sa.Column("a", sa.Text, primary_key=True),
        sa.Column("b", sa.Text, primary_key=True, server_default="x"),
        sa.Column("c", sa.Text),
    )
    assert written(SQLITE.insert_nothing(table), SQLITE).startswith("INSERT INTO t (a) VALUES (NULL)")
    assert written(POSTGRESQL.insert_nothing(table)).startswith("INSERT INTO t (a) VALUES (DEFAULT)")

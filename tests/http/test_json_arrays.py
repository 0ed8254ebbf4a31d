"""JSON and arrays: SQLite answers what PostgreSQL answers, and PostgreSQL alone has ranges."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Me, Settings, allow
from backstay import Model as Base
from tests.http.api import Api, database, opened, plant
from tests.http.shelf_app import ROWS, shelf
from tests.http.shop_app import SECRET


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, Api]]:
    """The same rows on SQLite and on PostgreSQL."""
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("shelf")
        one, other = (stack.enter_context(opened(k, folder, shelf, ROWS, "shelf")) for k in ("sqlite", "postgresql"))
        yield one, other


def differences(both: tuple[Api, Api], queries: Sequence[str]) -> list[tuple[str, Any, Any]]:
    """The queries whose answers differ, with both answers: status, and rows or the error's code."""
    found = []
    for query in queries:
        replies = [api.get(f"things?{query}") for api in both]
        one, other = ((reply.status, reply.code or reply.json) for reply in replies)
        if one != other:
            found.append((query, one, other))
    return found


def filters(*texts: str) -> list[str]:
    """Queries for the ids that pass each filter."""
    pairs = (text.partition("=") for text in texts)
    return [f"select=id&{quote(name)}={quote(value, safe='')}&order=id" for name, _, value in pairs]


#: Not ``->0`` and ``->-1`` of values that may be no arrays: there PostgreSQL takes a scalar for an array of itself.
PATHS = [
    *("data->a", "data->>a", "data->b", "data->>b", "data->b->c", "data->b->>c", "data->b->c->0", "data->b->c->>0"),
    *("data->b->c->-1", "data->b->c->>-1", "data->b->c->-1->>d", "data->>yes", "data->yes", "data->>no", "data->nil"),
    *("data->>nil", "data->>f", "data->1", "data->>1", "data->-2->>0", "data->3->1", "data->99", "data->>-99"),
    *("data->l->>0", "data->l->-1", "data->>e", 'data->"k y"->>"x.y"', "data->>big", "data->big", "data->>missing"),
    *("data->0->k", "data->4->>k", "texts->0", "texts->>1", "texts->>-1", "integers->>0", "integers->-1"),
    *("booleans->>0", "booleans->-1", "moments->>0", "uuids->0", "colours->>0", "dates->>0"),
]


def test_paths_are_selected(both: tuple[Api, Api]) -> None:
    """`->` gives JSON, `->>` its text: of booleans, numbers, null, objects, and from the end of arrays."""
    assert [] == differences(both, [f"select=id,x:{path}&order=id" for path in PATHS])


def test_paths_are_cast(both: tuple[Api, Api]) -> None:
    """A cast behind a path takes what the path gives."""
    casts = ("data->a::text", "data->>a::int", "data->>f::float", "data->>yes::bool", "data->f::text", "data->l::text")
    more = ("data->yes::text", "data->a::int", "data->b->c->0::int", "integers->>0::int", "data->>a::numeric")
    assert [] == differences(both, [f"select=id,x:{path}&order=id" for path in casts + more])


def test_paths_are_null_or_not(both: tuple[Api, Api]) -> None:
    """JSON's null is a value for `->` and NULL for `->>`; a missing key is NULL for both."""
    assert [] == differences(both, filters(*(f"{p}={n}is.null" for p, n in product(PATHS, ("", "not.")))))


def test_paths_are_ordered_by(both: tuple[Api, Api]) -> None:
    """JSON sorts as jsonb, text as text."""
    plain = [path for path in PATHS if '"' not in path]
    orders = [f"select=id&order={path}{way},id" for path, way in product(plain, ("", ".desc", ".desc.nullslast"))]
    assert [] == differences(both, orders)


def test_paths_are_compared(both: tuple[Api, Api]) -> None:
    """Every comparison, pattern and list, against JSON and against text."""
    assert [] == differences(both, filters(
        "data->>a=eq.1", "data->a=eq.1", 'data->a=eq."1"', "data->>a=gt.1", "data->a=gt.1", "data->a=gte.2",
        "data->a=lt.10", "data->>a=in.(1,10)", "data->a=in.(1,10)", "data->>t=like.*r*", "data->>t=ilike.ä*",
        "data->>t=ilike.*ZEB*", r"data->>t=like.*100\%", "data->>t=match.^Z", "data->>t=imatch.^ä",
        "data->yes=eq.true", "data->>yes=eq.true", "data->nil=eq.null", "data->>nil=eq.null", "data->f=eq.1.50",
        "data->>f=eq.1.5", "data->b->c=eq.[10]", 'data->b->c=eq.[10, 20, {"d":"deep"}]', "data->a=isdistinct.1",
        "data->>a=eq(any).{1,2}", "data->a=eq(any).{1,2}", "data->>t=like(any).{Z*,t*}", "data->>t=like(all).{Z*,*a}",
        "data->b->c->0=eq.10", "data->b->c->-1->>d=eq.deep", "data->big=eq.9007199254740993",
        "data->big=eq.9007199254740992", "data->>big=eq.9007199254740993", "data->a=eq.x",
        "not.and=(data->>a.eq.1,data->>t.is.null)", "or=(data->a.eq.2,data->>t.eq.Zebra)",
    ))  # fmt: skip


def test_json_is_compared_and_contained(both: tuple[Api, Api]) -> None:
    """jsonb's equality, order and recursive containment, with its exceptions for scalars and empty arrays."""
    assert [] == differences(both, filters(
        "data->b->c=cs.[10]", "data->b->c=cs.10", 'data->b=cs.{"c":[10]}', 'data=cs.{"a":1}', 'data=cs.{"a":1.0}',
        'data=cs.{"b":{"c":[{"d":"deep"}]}}', "data=cs.{}", "data=cs.[]", "data=cs.[1]", "data=cs.[[3]]",
        "data=cs.[[]]", "data=cs.[[4,3]]", "data=cs.1", 'data=cs."two"', 'data=cs."plain"', "data=cs.42",
        "data=cs.null", "data=cs.[null]", "data=cs.true", "data=cd.{}", "data=cd.[42]", 'data=cd.["plain",42]',
        'data=cd.{"a":10,"t":"Zebra","b":{"c":[10,11]},"l":[[1,2],[3]],"z":1}', "data=cd.42",
        'data=cd.[1,"two",null,[3,4,5],{"k":"v","z":2}]', "data->l=cs.[1]", 'data->l=cs.["1"]', "data->l=cs.[[1]]",
        "data->l=cd.[1,2,3,4]", "data=eq.{}", "data=eq.[]", "data=eq.null", "data=is.null", "data=not.is.null",
        "data=eq.42", "data=gt.42", "data=lt.[]", "data=gte.[]", "data=lt.{}", "data=in.({},[])", "data=neq.{}",
        "data=isdistinct.{}", 'data=eq.{"b": {"c": [10]}, "a": 10.0, "l": [[1, 2], [3]], "t": "Zebra"}',
        "data=eq.x", "data=cs.x", 'data=cs.{"big":9007199254740993}', 'data=cs.{"big":9007199254740992}',
        "data=cs(any).{1}", "data=ov.[1]", "data=like.x",
    ))  # fmt: skip


ARRAYS = {
    "texts": [
        "{a}", "{}", '{"b c"}', "{b c}", "{NULL}", '{"NULL"}', '{a,"{x}"}', r'{"q\"u\\o,te",a,"b c","{x}"}', '{""}',
        "a", "{a", "{a,{b}}", '["a"]', "{{a},{b,c}}",
    ],
    "integers": [
        "{1}", "{3,1}", "{}", "{NULL,2}", "{9007199254740993}", "{9007199254740992}", "{1,2,3,4}", "{x}", "{1.5}",
        "{3,NULL}", "{99999999999999999999}",
    ],
    "booleans": ["{true}", "{t,f}", "{}", "{yes}", "{x}", "{NULL}"],
    "floats": ["{1.5}", "{1e100,0.1}", "{NaN}", "{x}", "{-2}", "{Infinity}"],
    "numerics": ["{1.5}", "{1.50,2.00}", "{0.010,-3}", "{x}"],
    "uuids": [
        "{11111111-1111-4111-8111-111111111111}", "{11111111111141118111111111111111}", "{x}",
        "{22222222-2222-4222-8222-222222222222,11111111-1111-4111-8111-111111111111}",
    ],
    "dates": ["{2024-01-01}", "{2024-01-01,1999-12-31}", "{x}", "{2024-02-30}"],
    "moments": [
        "{2024-01-01T12:00:00Z}", '{"2024-01-01 13:00:00+01"}', '{"2024-01-01T01:00:00.500Z"}', "{x}",
    ],
    "colours": ["{red}", "{green,red}", "{blue}"],
}  # fmt: skip


@pytest.mark.parametrize("column", sorted(ARRAYS))
def test_arrays(both: tuple[Api, Api], column: str) -> None:
    """Containment, overlap, equality and order of arrays of each type; literals that are none are refused."""
    operators = ["cs", "cd", "ov", "eq", "neq", "not.cs", "not.ov", "isdistinct"]
    # The order of labels is that of an enum's declaration on PostgreSQL, that of the alphabet in an array on SQLite.
    ranked = ["gt", "lte"] if column != "colours" else []
    assert [] == differences(
        both, filters(*(f"{column}={o}.{v}" for o, v in product(operators + ranked, ARRAYS[column])))
    )


def test_arrays_are_selected_and_ordered(both: tuple[Api, Api]) -> None:
    """Arrays are JSON arrays in answers, and literals as text."""
    columns = sorted(set(ARRAYS) - {"colours"})
    orders = [f"select=id,{column}&order={column}{way},id" for column, way in product(columns, ("", ".desc"))]
    texts = [f"select=id,{column}::text&order=id" for column in sorted(set(ARRAYS) - {"numerics"})]
    assert [] == differences(both, orders + texts)


def test_arrays_are_written(both: tuple[Api, Api]) -> None:
    """What a client writes, as JSON or as a literal, reads and compares as what the model wrote."""
    row = {
        "id": 90,
        "data": {"a": [1, None]},
        "texts": ["a", "b c", None],
        "integers": "{1,2}",
        "booleans": [True, False],
        "floats": "{1.5,NaN}",
        "numerics": ["1.50", 2],
        "uuids": ["11111111111141118111111111111111"],
        "moments": ["2024-01-01T13:00:00+01:00"],
        "colours": ["red"],
    }
    for api in both:
        assert 201 == api.post("things", row).status
    assert [] == differences(
        both,
        [
            "id=eq.90",
            *filters("booleans=eq.{t,f}", "moments=cs.{2024-01-01T12:00:00Z}", "integers=cs.{2}", "texts=ov.{b c}"),
            *filters("floats=cs.{NaN}", "numerics=eq.{1.5,2}", "uuids=cs.{11111111-1111-4111-8111-111111111111}"),
        ],
    )
    for api in both:
        api.clean()


def test_like_knows_unicode(both: tuple[Api, Api]) -> None:
    """Letters of all of Unicode have cases, and one of them is one `_`."""
    assert [] == differences(both, filters(
        "data->>t=ilike.ÄRGER*", "data->>t=like.ä*", "data->>t=like._rger*", "data->>t=ilike.%ÄR%", "data->>t=like.*[x*",
        "data->>t=like.*?*", r"data->>t=like.\*", "data->>t=like.Z_bra", "data->>t=imatch.ÄR.ER", "data->>t=match.[",
    ))  # fmt: skip


# -- ranges ----------------------------------------------------------------------------------------------------------


class Model(DeclarativeBase):
    """A base and registry of its own: other apps of the tests have classes of the same names."""

    type_annotation_map = Base.type_annotation_map
    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)


class Stay(Model):
    __tablename__ = "stays"
    id: Mapped[int] = mapped_column(primary_key=True)
    nights: Mapped[Any] = mapped_column(pg.DATERANGE(), nullable=True)
    numbers: Mapped[Any] = mapped_column(pg.INT8RANGE(), nullable=True)


@allow("read", "create", Stay)
def stays(me: Me) -> Any:
    """Everybody reads and makes stays."""
    return True


@pytest.fixture(scope="module")
def ranges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    loop = asyncio.new_event_loop()
    rows = [
        {"id": 1, "nights": pg.Range(date(2024, 1, 1), date(2024, 1, 5)), "numbers": pg.Range(1, 10)},
        {"id": 2, "nights": pg.Range(date(2024, 1, 5), date(2024, 1, 9)), "numbers": pg.Range(10, 20)},
        {"id": 3, "nights": pg.Range(date(2024, 2, 1), None), "numbers": pg.Range(empty=True)},
        {"id": 4, "nights": None, "numbers": None},
    ]
    try:
        with database("postgresql", tmp_path_factory.mktemp("ranges"), loop, "ranges") as url:
            app = Backstay(models=Model, policies=[stays], settings=Settings(database=url, jwt_secret=SECRET))
            started = app.started()
            loop.run_until_complete(started.__aenter__())
            try:
                loop.run_until_complete(plant(app, {"stays": rows}))
                yield Api("postgresql", app, loop, lambda: None)
            finally:
                loop.run_until_complete(started.__aexit__(None, None, None))
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("numbers=sl.[10,12)", [1]),
        ("numbers=sr.[1,10)", [2]),
        ("numbers=nxr.[5,15)", [1]),
        ("numbers=nxl.[5,15)", [2]),
        ("numbers=adj.[10,30)", [1]),
        ("numbers=adj.(0,10)", [2]),
        ("numbers=cs.5", ["22P02"]),  # as in PostgREST: the literal is read as a range
        ("numbers=cs.[2,3]", [1]),
        ("numbers=cd.[0,15)", [1, 3]),
        ("numbers=ov.[9,11)", [1, 2]),
        ("numbers=not.ov.[9,11)", [3]),
        ("numbers=eq.[1,9]", [1]),
        ("numbers=eq.empty", [3]),
        ("nights=cs.[2024-02-29,2024-02-29]", [3]),
        ("nights=ov.[2024-01-04,2024-01-06)", [1, 2]),
        ("nights=adj.[2024-01-09,2024-01-10)", [2]),
        ("nights=sl.[2024-01-20,)", [1, 2]),
        ("nights=is.null", [4]),
        ("numbers=cs.x", ["22P02"]),
        ("numbers=ov.[3,1]", ["22000"]),
        ("id=sl.[1,2)", ["42883"]),
    ],
)
def test_ranges(ranges: Api, query: str, expected: list[Any]) -> None:
    """The operators of ranges, for an element or a range."""
    assert expected == ranges.get(f"stays?select=id&{query}&order=id").ids


def test_ranges_are_shown_and_written(ranges: Api) -> None:
    """A range is its text in both directions, in its canonical form."""
    assert [{"nights": "[2024-01-01,2024-01-05)", "numbers": "[1,10)"}] == ranges.get(
        "stays?select=nights,numbers&id=eq.1"
    ).json
    reply = ranges.post("stays?select=numbers", {"id": 9, "numbers": "(1,4]"}, prefer="return=representation")
    assert [{"numbers": "[2,5)"}] == reply.json


def test_ranges_on_sqlite(both: tuple[Api, Api], tmp_path: Path) -> None:
    """SQLite has no ranges, and says so; so does PostgreSQL of what is none."""
    assert ["42883", "42883"] == [api.get("things?texts=sl.[1,2)").code for api in both]

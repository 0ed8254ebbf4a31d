"""``Accept: application/geo+json`` and geometry columns without an extension, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.http.api import Api, Reply, opened, quick_folder
from tests.http.parks_app import PARKS, POINT, SQUARE
from tests.http.parks_app import parks as make_parks

GEO = "application/geo+json"
TYPE = "application/geo+json; charset=utf-8"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def opened_parks(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, make_parks, PARKS, "parks") as api:
        yield api


@pytest.fixture
def parks(opened_parks: Api) -> Api:
    """The parks with their first rows, on SQLite and on PostgreSQL."""
    return opened_parks.clean()


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def features(reply: Reply) -> Any:
    """The features of *reply*, which is a collection of them."""
    assert TYPE == reply.one("content-type"), reply.body
    assert ["FeatureCollection", {"type", "features"}] == [reply.json["type"], set(reply.json)]
    return reply.json["features"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "order=id",
            [
                feature(POINT, id=1, name="North", area=SQUARE),
                feature(None, id=2, name="South", area=None),
            ],
        ),
        ("select=name,area&id=eq.1", [feature(SQUARE, name="North")]),
        ("select=where:place&id=eq.1", [feature(POINT)]),
        ("select=area:name,area:place&id=eq.1", [feature(POINT)]),
        ("select=kind:place->>type,area&id=eq.1", [feature(SQUARE, kind="Point")]),
        ("select=place,benches(id)&id=eq.1", [feature(POINT, benches=[{"id": 1}])]),
        ("id=eq.9", []),
    ],
)
def test_reads(parks: Api, query: str, expected: Any) -> None:
    """The first geometry of the selection is the feature's; whatever else was selected are its properties."""
    reply = parks.get(f"parks?{query}", accept=GEO)
    assert (200, expected) == (reply.status, features(reply))


@pytest.mark.parametrize(
    "query", ["select=id,name", "select=place->>type", "select=place::text", "select=count()", "select=benches(id)"]
)
def test_without_a_geometry(parks: Api, query: str) -> None:
    """PostGIS's own refusal, where the selection has none."""
    reply = parks.get(f"parks?{query}", accept=GEO, as_="svc")
    expected = (400, "PGRST123" if "count" in query else "22023")
    assert expected == (reply.status, reply.code)


def test_a_geometry_of_a_spread_embed(parks: Api) -> None:
    """Its columns are the row's own."""
    reply = parks.get("benches?select=id,...parks(name,place)", accept=GEO)
    assert [feature(POINT, id=1, name="North")] == features(reply)


def test_a_hidden_geometry_is_not_there(parks: Api) -> None:
    """Who may not see the column is told what a table without one tells."""
    for query in ("benches", "benches?select=id"):
        assert (400, "22023") == ((reply := parks.get(query, accept=GEO)).status, reply.code)
    assert [feature(POINT, id=1, park_id=1)] == features(parks.get("benches?select=*,place", accept=GEO, as_="dee"))
    assert (400, "42703") == ((reply := parks.get("benches?select=place", accept=GEO)).status, reply.code)


def test_pages_and_counts(parks: Api) -> None:
    """They are those of any read, and HEAD has no body."""
    reply = parks.get("parks?order=id&limit=1", accept=GEO, prefer="count=exact")
    assert (206, "0-0/2", 1) == (reply.status, reply.range, len(features(reply)))
    reply = parks.head("parks", accept=GEO)
    assert (200, TYPE, b"") == (reply.status, reply.one("content-type"), reply.body)
    assert "text/csv" in str(parks.get("parks?id=eq.1", accept=f"text/csv, {GEO};q=0.5").one("content-type"))


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "expected"),
    [
        ("POST", "parks", {"id": 3, "name": "a", "place": POINT}, 201, [feature(POINT, id=3, name="a", area=None)]),
        ("POST", "parks", [{"id": 3, "name": "a", "area": None}, {"id": 4, "name": "b", "area": SQUARE}], 201, None),
        ("POST", "parks?select=id,area", {"id": 3, "name": "a", "place": POINT}, 201, [feature(None, id=3)]),
        ("PATCH", "parks?id=eq.1&select=place", {"place": None}, 200, [feature(None)]),
        ("PATCH", "parks?id=eq.7", {"place": None}, 200, []),
        ("PATCH", "parks?id=eq.1", {}, 200, []),
        ("PUT", "parks?id=eq.2&select=place", {"id": 2, "name": "b", "place": POINT}, 200, [feature(POINT)]),
        ("DELETE", "parks?id=eq.2&select=id,place", None, 200, [feature(None, id=2)]),
        (
            "POST",
            "parks?select=place,benches(place)",
            {"id": 3, "name": "a", "place": POINT, "benches": [{"id": 8, "place": POINT}]},
            201,
            [feature(POINT, benches=[{"place": POINT}])],
        ),
    ],
)
def test_writes(parks: Api, method: str, path: str, body: Any, status: int, expected: Any) -> None:
    """What a write sends back is a collection too."""
    named = {"accept": GEO, "prefer": "return=representation", "as_": "svc"}
    reply = parks._write(method, path, body, named) if body is not None else parks.delete(path, **named)
    found = features(reply)
    assert (status, expected or found) == (reply.status, found)
    assert len(body) == len(found) if isinstance(body, list) else True


def test_a_refused_representation_writes_nothing(parks: Api) -> None:
    """Without a geometry in it the request fails as a whole."""
    reply = parks.post("parks?select=id", {"id": 3, "name": "a"}, accept=GEO, prefer="return=representation")
    assert (400, "22023") == (reply.status, reply.code)
    assert [] == parks.rows("parks?id=eq.3")


def test_where_there_is_none(parks: Api) -> None:
    """A single item and a page by key are JSON, and say so."""
    for path in ("parks/1", "parks?order=id&cursor="):
        reply = parks.get(path, accept=GEO)
        assert (406, "PGRST107") == (reply.status, reply.code), reply.body
        assert "GeoJSON is for rows with a geometry column" in reply.json["details"]


def test_functions(parks: Api) -> None:
    """Rows of a model are features; a plain value is none."""
    assert [1, 2] == [f["properties"]["id"] for f in features(parks.get("rpc/parks_from?least=1", accept=GEO))]
    assert [feature(POINT)] == features(parks.get("rpc/park?id=1&select=place", accept=GEO))
    assert [] == features(parks.get("rpc/park?id=7", accept=GEO))
    assert (400, "22023") == ((reply := parks.get("rpc/weather", accept=GEO)).status, reply.code)


def test_an_encrypted_property(parks: Api) -> None:
    """SC8: it is opened where it stands, in reads and in what writes send back."""
    den = {"id": 1, "animal": "fox", "place": POINT}
    reply = parks.post("dens", den, accept=GEO, prefer="return=representation")
    expected = [feature(POINT, id=1, animal="fox")]
    assert [expected, expected] == [features(reply), features(parks.get("dens", accept=GEO))]
    assert [feature(POINT, animal="fox")] == features(parks.get("dens?select=place,animal", accept=GEO))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"type": "Point"}, "a Point's position is not two or three numbers"),
        ({"type": "LineString", "coordinates": [[1, 2]]}, "a LineString's line has fewer than two positions"),
        ("POINT(1 2)", "it is no object of GeoJSON"),
        (7, "a geometry is an object with a type"),
    ],
)
def test_what_is_no_geometry_is_refused(parks: Api, value: Any, said: str) -> None:
    """Nothing is written that a reader could not show."""
    for reply in (
        parks.post("parks", {"id": 3, "name": "a", "place": value}),
        parks.patch("parks?id=eq.1", {"place": value}),
    ):
        assert (400, "22P02") == (reply.status, reply.code)
        assert f"invalid input syntax for type geometry: {said}" == reply.json["message"]
    assert [POINT] == [row["place"] for row in parks.rows("parks?id=lt.9&place=not.is.null")]


def test_text_may_say_a_geometry(parks: Api) -> None:
    """CSV has nothing but text."""
    body = b'id,name,place\n3,a,"{""type"": ""Point"", ""coordinates"": [7.1, 50.7]}"\n4,b,NULL'
    reply = parks.post("parks", body=body, content_type="text/csv")
    assert 201 == reply.status, reply.body
    assert [POINT, None] == [row["place"] for row in parks.rows("parks?id=gt.2&order=id")]


def test_filters(parks: Api) -> None:
    """It is there or not; what lies where takes PostGIS, and what the JSON says a path."""
    assert [2] == parks.get("parks?place=is.null").ids
    assert [1] == parks.get("parks?place->>type=eq.Point").ids
    for operator in ("eq.{}", "in.({})", "isdistinct.{}", "cs.{}", "fts.Point"):
        reply = parks.get(f"parks?place={operator}")
        assert (400, "PGRST127") == (reply.status, reply.code)


def test_sessions_are_checked(parks: Api) -> None:
    """A mistake of the app's own code is not written either."""
    assert 500 == parks.post("rpc/misplace", {}).status
    assert [] == parks.rows("parks?id=eq.9")


def test_the_description_tells(parks: Api) -> None:
    """Tables with a geometry that the caller sees offer features, and no others."""

    def types(who: str | None, path: str) -> set[str]:
        document = parks.get("", as_=who, accept="application/openapi+json").json
        return set(document["paths"][path]["get"]["responses"]["200"]["content"])

    assert GEO in types(None, "/parks")
    assert GEO in types(None, "/rpc/parks_from")
    assert [False, True] == [GEO in types(who, "/benches") for who in (None, "dee")]
    schemas = parks.get("").json["components"]["schemas"]
    assert ["object", "null"] == schemas["parks"]["properties"]["place"]["type"]

"""Geometries: what is one, and which types hold some."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from backstay import Geometry
from backstay.catalog.geometry import Spatial, check_geometry, spatial_of
from backstay.catalog.opaque import Opaque, StoredOther

RING = [[0, 0], [1, 0], [1, 1], [0, 0]]


class Named(sa.types.UserDefinedType[Any]):
    """A type by its DDL alone."""

    cache_ok = True

    def __init__(self, spec: str) -> None:
        self.spec = spec

    def get_col_spec(self, **_: Any) -> str:
        return self.spec


class Decorated(sa.types.TypeDecorator[Any]):
    impl = Geometry
    cache_ok = True


@pytest.mark.parametrize(
    "value",
    [
        {"type": "Point", "coordinates": [1, 2]},
        {"type": "Point", "coordinates": (Decimal("1.5"), 2.5, 3), "name": "a member of its own"},
        {"type": "MultiPoint", "coordinates": []},
        {"type": "MultiPoint", "coordinates": [[1, 2]]},
        {"type": "LineString", "coordinates": [[1, 2], [3, 4]]},
        {"type": "MultiLineString", "coordinates": [[[1, 2], [3, 4]]]},
        {"type": "Polygon", "coordinates": [RING]},
        {"type": "MultiPolygon", "coordinates": [[RING, RING]]},
        {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [1, 2]}]},
    ],
)
def test_geometries(value: Any) -> None:
    """Those of RFC 7946 §3.1."""
    check_geometry(value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "an object with a type"),
        ([], "an object with a type"),
        ({"type": 1}, "an object with a type"),
        ({"type": "Feature", "geometry": None}, "is one of Point, MultiPoint, "),
        ({"type": "point", "coordinates": [1, 2]}, "is one of Point"),
        ({"type": "Point"}, "two or three numbers"),
        ({"type": "Point", "coordinates": []}, "two or three numbers"),
        ({"type": "Point", "coordinates": [1]}, "two or three numbers"),
        ({"type": "Point", "coordinates": [1, 2, 3, 4]}, "two or three numbers"),
        ({"type": "Point", "coordinates": [1, True]}, "two or three numbers"),
        ({"type": "Point", "coordinates": [1, "2"]}, "two or three numbers"),
        ({"type": "Point", "coordinates": [1, float("nan")]}, "two or three numbers"),
        ({"type": "Point", "coordinates": [1, 10**400]}, "two or three numbers"),
        ({"type": "Point", "coordinates": [1, Decimal("NaN")]}, "two or three numbers"),
        ({"type": "MultiPoint", "coordinates": 1}, "a MultiPoint's coordinates are not an array"),
        ({"type": "LineString", "coordinates": [[1, 2]]}, "fewer than two positions"),
        ({"type": "LineString", "coordinates": None}, "not an array"),
        ({"type": "Polygon", "coordinates": RING}, "two or three numbers|not an array"),
        ({"type": "Polygon", "coordinates": [RING[:3]]}, "four or more positions"),
        ({"type": "Polygon", "coordinates": [[*RING, [9, 9]]]}, "the last of which is the first"),
        ({"type": "GeometryCollection"}, "a GeometryCollection's geometries are not an array"),
        ({"type": "GeometryCollection", "geometries": [{"type": "Point"}]}, "a Point's position"),
    ],
)
def test_what_is_none(value: Any, said: str) -> None:
    """Whatever else is told apart by what is wrong with it."""
    with pytest.raises(ValueError, match=said):
        check_geometry(value)


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        (Geometry(), Spatial("geojson")),
        (Decorated(), Spatial("geojson")),
        (Named("geometry(POINT,4326)"), Spatial("geometry")),
        (Named("GEOGRAPHY"), Spatial("geography")),
        (Opaque("geometry"), Spatial("geometry")),
        (Opaque('"Extra ""1"" %".geometry'), Spatial("geometry", 'Extra "1" %')),
        (Opaque("extensions.geography"), Spatial("geography", "extensions")),
        (Opaque("geometry_dump"), None),
        (Opaque("citext"), None),
        (StoredOther("geometry"), None),
        (sa.JSON(), None),
    ],
)
def test_types(type_: sa.types.TypeEngine[Any], expected: Spatial | None) -> None:
    """A type of PostGIS is known by its DDL; what a file of SQLite declares says nothing."""
    assert expected == spatial_of(type_)


def test_it_is_json_in_the_database() -> None:
    """With operators that reach into it."""
    column = sa.column("place", Geometry())
    assert ["JSON", "JSONB"] == [Geometry().compile(dialect=d.dialect()) for d in (sqlite, postgresql)]  # type: ignore[no-untyped-call]
    assert "Point" == (column["type"].as_string() == "Point").right.value


def test_sessions_are_checked() -> None:
    """NULL is no geometry and needs none."""
    point = {"type": "Point", "coordinates": [1, 2]}
    assert [point, None] == [Geometry().process_bind_param(value, None) for value in (point, None)]
    with pytest.raises(ValueError, match="an object with a type"):
        Geometry().process_bind_param("POINT(1 2)", None)

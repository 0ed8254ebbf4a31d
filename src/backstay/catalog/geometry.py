"""Columns that hold geometries: those of PostGIS, and `Geometry`, which needs no extension and works on SQLite too.

1. A geometry of PostGIS is the database's: it reads, checks and writes them.
2. A `Geometry` is JSON that was checked to be a geometry of RFC 7946 when it was written, whoever wrote it.
3. A type of PostGIS is known by what it is called in DDL, so that any library's types will do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from backstay.catalog.opaque import AsStored

#: Who keeps a geometry: a JSON column, or PostGIS in one of its two types.
SpatialKind: TypeAlias = Literal["geojson", "geometry", "geography"]

#: ``schema.geometry(Point,4326)``, each name quoted or not.
_POSTGIS: Final = re.compile(r'(?:(?:"((?:[^"]|"")+)"|(\w+))\.)?"?(geometry|geography)"?(?:\(.*)?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Spatial:
    """What kind of geometry a column holds, and, where its type names it, the schema that PostGIS lives in."""

    kind: SpatialKind
    schema: str | None = None


class Geometry(sa.types.TypeDecorator[Mapping[str, Any]]):
    """A column that holds a geometry of GeoJSON (RFC 7946 §3.1), on every database::

        place: Mapped[dict[str, Any] | None] = mapped_column(Geometry())

    It is checked on every write, by the API (22P02) and by the app's own sessions (``ValueError``).  In the database it
    is JSON: to ask what lies within what takes PostGIS, whose types are served as well.
    """

    impl: type[sa.types.TypeEngine[Any]] | sa.types.TypeEngine[Any] = sa.JSON(none_as_null=True).with_variant(
        pg.JSONB(none_as_null=True), "postgresql"
    )
    cache_ok: bool | None = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """What a session writes is checked too.

        Raises:
            ValueError: when it is no geometry.
        """
        if value is not None:
            check_geometry(value)
        return value

    def coerce_compared_value(self, op: Any, value: Any) -> sa.types.TypeEngine[Any]:
        """An index into the JSON, or a value of it, is no geometry."""
        return self.impl_instance.coerce_compared_value(op, value)


def spatial_of(type_: sa.types.TypeEngine[Any]) -> Spatial | None:
    """What geometries a column of *type_* holds; ``None`` for any other column.

    >>> spatial_of(Geometry()), spatial_of(sa.Text())
    (Spatial(kind='geojson', schema=None), None)
    """
    while isinstance(type_, sa.types.TypeDecorator):
        if isinstance(type_, Geometry):
            return Spatial("geojson")
        type_ = type_.impl_instance
    # A file of SQLite keeps anything in a column that it declares a geometry.
    if not isinstance(type_, sa.types.UserDefinedType) or isinstance(type_, AsStored):
        return None
    spec = getattr(type_, "get_col_spec", None)
    found = None if spec is None else _POSTGIS.fullmatch(str(spec()))
    if found is None:
        return None
    quoted, plain, name = found.groups()
    schema = quoted.replace('""', '"') if quoted else plain.lower() if plain else None
    return Spatial("geography" if name.lower() == "geography" else "geometry", schema)


def check_geometry(value: Any) -> None:
    """See that *value* is a geometry object of RFC 7946 §3.1; members of its own do no harm.

    >>> check_geometry({"type": "Point", "coordinates": [7.1, 50.7]})
    >>> check_geometry({"type": "Point", "coordinates": "7.1"})
    Traceback (most recent call last):
    ValueError: a Point's position is not two or three numbers

    Raises:
        ValueError: what is wrong, in words for whoever sent it.
    """
    kind = value.get("type") if isinstance(value, Mapping) else None
    if not isinstance(kind, str):
        raise ValueError("a geometry is an object with a type")
    if kind == "GeometryCollection":
        for one in _list(value.get("geometries"), kind, "geometries"):
            check_geometry(one)
        return
    check = _CHECKS.get(kind)
    if check is None:
        raise ValueError(f"the type of a geometry is one of {', '.join((*_CHECKS, 'GeometryCollection'))}")
    check(value.get("coordinates"), kind)


def _list(value: Any, kind: str, what: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"a {kind}'s {what} are not an array")
    return value


def _position(value: Any, kind: str) -> None:
    numbers = value if isinstance(value, list | tuple) and len(value) in (2, 3) else (None,)
    if not all(map(_finite, numbers)):
        raise ValueError(f"a {kind}'s position is not two or three numbers")


def _finite(number: Any) -> bool:
    match number:
        case bool():
            return False
        case int():
            # Longer ones are no double, and ``math`` would raise.
            return abs(number) < 10**300
        case float():
            return math.isfinite(number)
        case _:
            return isinstance(number, Decimal) and number.is_finite()


def _line(value: Any, kind: str) -> None:
    positions = _list(value, kind, "coordinates")
    if len(positions) < 2:
        raise ValueError(f"a {kind}'s line has fewer than two positions")
    for position in positions:
        _position(position, kind)


def _ring(value: Any, kind: str) -> None:
    _line(value, kind)
    if len(value) < 4 or list(value[0]) != list(value[-1]):
        raise ValueError(f"a {kind}'s ring is not four or more positions, the last of which is the first")


_Check: TypeAlias = Callable[[Any, str], None]


def _each(check: _Check) -> _Check:
    def checked(value: Any, kind: str) -> None:
        for one in _list(value, kind, "coordinates"):
            check(one, kind)

    return checked


_CHECKS: Final[Mapping[str, _Check]] = {
    "Point": _position,
    "MultiPoint": _each(_position),
    "LineString": _line,
    "MultiLineString": _each(_line),
    "Polygon": _each(_ring),
    "MultiPolygon": _each(_each(_ring)),
}

"""An atlas: geometries of PostGIS in a database that nobody wrote models for, and in a model."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, Me, Settings, allow
from tests.http.shop_app import SECRET

#: The extension has a schema of its own that no search path names, as on hosted servers.
ATLAS: Final = """
CREATE SCHEMA atlas;
CREATE TABLE atlas.shops (id int PRIMARY KEY, name text, geom "Maps".geometry(Point, 4326));
CREATE TABLE atlas.beacons (
  id int PRIMARY KEY, shop_id int REFERENCES atlas.shops (id),
  range "Maps".geometry, seen "Maps".geography(Point, 4326));
CREATE TABLE atlas.notes (id int PRIMARY KEY, body text);
CREATE FUNCTION atlas.near(lowest int) RETURNS SETOF atlas.shops LANGUAGE sql STABLE AS
  'SELECT * FROM atlas.shops WHERE id >= lowest ORDER BY id';
CREATE FUNCTION atlas.one() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
INSERT INTO atlas.shops VALUES
  (1, 'Ål', 'SRID=4326;POINT(-71.10044 42.373695)'), (2, 'Bo', 'SRID=4326;POINT(1.12345678912 2)'), (3, 'No', NULL);
INSERT INTO atlas.beacons VALUES (1, 1, 'SRID=3857;LINESTRING(0 0, 1 1)', 'POINT(1 2)');
"""


class Model(DeclarativeBase):
    """A base of its own, so that other apps of the tests do not share its tables."""


class Point(sa.types.UserDefinedType[Any]):
    """A type as libraries for PostGIS have them: with functions around what is bound and what is selected."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "geometry(POINT,4326)"

    def bind_expression(self, bindvalue: Any) -> Any:
        return sa.func.ST_GeomFromEWKT(bindvalue, type_=self)

    def column_expression(self, column: Any) -> Any:
        return sa.func.ST_AsEWKB(column, type_=self)


class Tree(Model):
    __tablename__ = "trees"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    place: Mapped[Any] = mapped_column(Point(), nullable=True)


@allow("read", "create", "update", "delete", Tree)
def anybody(me: Me) -> Any:
    """Everybody may plant."""
    return True


def forest(url: str) -> Backstay:
    settings = Settings(database=url, jwt_secret=SECRET)
    return Backstay(models=Model, policies=[anybody], settings=settings)

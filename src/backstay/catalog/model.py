"""`Model`: a declarative base with names that both databases and every migration agree on."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

# Whoever makes models by it may decide something of them at once.
import backstay.catalog.noted  # noqa: F401

#: PostgreSQL's own default names, so that SQLite's constraints, error messages and hints read the same.
NAMES = {
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "ck": "%(constraint_name)s",
}

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")


class Model(DeclarativeBase):
    """The base of an app's models; any other ``DeclarativeBase`` works too.

    ``datetime`` columns have a time zone, ``dict`` and ``list`` columns are JSON, and ``int`` is 64 bits wide.
    """

    __abstract__ = True

    metadata: ClassVar[sa.MetaData] = sa.MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: sa.DateTime(timezone=True),
        int: sa.BigInteger(),
        dict[str, Any]: _JSON,
        list[Any]: _JSON,
        dict: _JSON,
        list: _JSON,
    }

"""The tables that Backstay keeps for itself, beside the app's: one metadata, created when the app starts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

from backstay.catalog.model import NAMES


class Own(DeclarativeBase):
    """The base of those tables.  Their names begin with ``backstay_``, so that no app's table is in the way.

    ``datetime`` columns have a time zone, ``dict`` and ``list`` columns are JSON.
    """

    __abstract__ = True

    metadata: ClassVar[sa.MetaData] = sa.MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: sa.DateTime(timezone=True),
        int: sa.BigInteger(),
        str: sa.Text(),
        bytes: sa.LargeBinary(),
        UUID: sa.Uuid(),
        dict[str, Any]: sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql"),
        list[Any]: sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql"),
    }

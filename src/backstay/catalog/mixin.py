"""Mixins for models: columns that the server keeps.

The API refuses them in bodies (``PGRST204``) from everyone but the service role, and OpenAPI does not offer them.
Each column carries its `Duty` in ``info``; the rest of the code knows columns by that, never by name.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

_MOMENT = sa.DateTime(timezone=True)


def _now() -> datetime:
    return datetime.now(UTC)


class Timestamped:
    """When a row was made and when it was last changed.

    ::

        class Note(Timestamped, Model):
            __tablename__ = "notes"
            id: Mapped[int] = mapped_column(primary_key=True)
    """

    created_at: Mapped[datetime] = mapped_column(_MOMENT, default=_now, info={"backstay": "created"}, sort_order=90)
    updated_at: Mapped[datetime] = mapped_column(
        _MOMENT, default=_now, onupdate=_now, info={"backstay": "updated"}, sort_order=91
    )


class Versioned:
    """A version that counts the changes of a row, from 1.

    It is the first part of the row's ``ETag``: a change with an older one in ``If-Match`` is refused (412).  Sessions
    check it too: SQLAlchemy raises ``StaleDataError`` when a row has changed since it was loaded.
    """

    version: Mapped[int] = mapped_column(
        sa.BigInteger,
        default=1,
        onupdate=sa.text("version + 1"),
        server_default=sa.text("1"),
        info={"backstay": "version"},
        sort_order=92,
    )

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:
        return {"version_id_col": cls.version}


class SoftDeleted:
    """``DELETE`` sets *deleted_at*, and a row that has it exists for the service role alone.

    The policy engine adds the condition to every rule that reads, updates or deletes, so it holds in filters, embeds,
    counts and references too.  What it does not do: deleting does not cascade, a unique value stays taken, and a
    policy's own subquery and the app's own sessions see every row.  The service role brings a row back with ``PATCH``
    and ``{"deleted_at": null}``.
    """

    deleted_at: Mapped[datetime | None] = mapped_column(_MOMENT, info={"backstay": "deleted"}, sort_order=93)

"""Types of reflected columns, where SQLAlchemy's own would promise too much.

`Opaque`: only the database understands it; values travel as text and are cast by the type's own name.
`Native`: PostgreSQL reads it better than we do.
`AsStored`: SQLite keeps whatever was put into a column, whatever the column declares; what does not fit the declared
type is shown as it is stored, never as something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg


class Native:
    """Marks a column that PostgreSQL reads itself: it knows more spellings of a date or an array than we do."""


class NativeDate(Native, sa.Date):
    pass


class NativeTime(Native, sa.Time):
    pass


class NativeDateTime(Native, sa.DateTime):
    pass


class NativeInterval(Native, pg.INTERVAL):
    pass


class NativeNumeric(Native, sa.Numeric[Any]):
    pass


class NativeDouble(Native, sa.Double[Any]):
    pass


class NativeReal(Native, sa.REAL[Any]):
    pass


class NativeJSON(Native, pg.JSON):
    pass


class NativeJSONB(Native, pg.JSONB):
    pass


class NativeBytes(Native, pg.BYTEA):
    pass


class NativeArray(Native, pg.ARRAY[Any]):
    pass


class Opaque(Native, sa.types.UserDefinedType[Any]):
    """The database's type *sql_name* (``citext``, ``inet``, ``money``, ``"Mood"``…), written into SQL as it stands.

    *sql_name* must come from the database's own catalog or be quoted: no client's text.
    """

    cache_ok = True

    def __init__(self, sql_name: str) -> None:
        self.sql_name = sql_name

    def get_col_spec(self, **_: Any) -> str:
        return self.sql_name


class Labelled(Opaque):
    """An enum: opaque to SQL, with its labels for those who describe it."""

    cache_ok = True

    def __init__(self, sql_name: str, enums: Sequence[str], name: str) -> None:
        super().__init__(sql_name)
        self.enums = tuple(enums)
        self.name = name


class Composite(Opaque):
    """A row type: JSON objects become its rows."""

    cache_ok = True


class AsStored:
    """Marks a column of SQLite whose rows may hold values of any type."""

    #: What PostgreSQL would call the type, for messages.
    shown: ClassVar[str | None] = None


class StoredBoolean(AsStored, sa.Boolean):
    pass


class StoredInteger(AsStored, sa.BigInteger):
    """64 bits, as every integer of SQLite, and called integer, as it was declared."""

    shown = "integer"


class StoredBigInteger(AsStored, sa.BigInteger):
    pass


class StoredFloat(AsStored, sa.Double[Any]):
    pass


class StoredNumeric(AsStored, sa.Numeric[Any]):
    pass


class StoredText(AsStored, sa.String):
    pass


class StoredBytes(AsStored, sa.LargeBinary):
    pass


class StoredJSON(AsStored, sa.JSON):
    pass


class StoredArray(AsStored, sa.ARRAY[Any]):
    """A JSON array, as a column declared ``integer[]`` has to keep it here."""


class StoredJSONB(StoredJSON):
    """JSON that was declared as PostgreSQL's ``jsonb``, which writes its parts with spaces between them."""


class StoredOther(AsStored, Opaque):
    """Dates, times, UUIDs and whatever else SQLite has no type for: compared and shown as stored."""

    cache_ok = True


class StoredMoment(StoredOther):
    """A timestamp: shown with a ``T`` between day and time, however it is stored, and compared so."""

    cache_ok = True

"""All rows of a table, a batch at a time, some of their values replaced.

1. A batch is one short transaction, so that others write in between.
2. A value that was changed meanwhile is left alone: whoever changed it wrote it as it is to be.
3. What is done shows in the rows themselves: a run that was stopped is begun again, and passes quickly over them.
4. Nobody's clock or version moves: the rows say the same as before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import sqlalchemy as sa

from backstay.db.statement import Database

#: Rows in one transaction: a few tens of milliseconds, in which SQLite's other writers wait.
BATCH: Final = 200

#: From a row's key and its stored values to those that are to be others; both by column name.
Change: TypeAlias = Callable[[tuple[Any, ...], Mapping[str, Any]], Mapping[str, Any]]


async def rewrite(
    database: Database,
    table: sa.Table,
    names: tuple[str, ...],
    type_: sa.types.TypeEngine[Any],
    change: Change,
    *,
    batch: int = BATCH,
) -> int:
    """Have *change* look at the columns *names* of every row of *table*; the number of rows that it changed.

    Values are read and written as *type_*, past the columns' own types.  The table has a primary key.
    """
    keys = list(table.primary_key.columns)
    read = [sa.type_coerce(table.c[name], type_).label(f"v{at}") for at, name in enumerate(names)]
    page = sa.select(*keys, *read).where(sa.or_(*(table.c[name].is_not(None) for name in names)))
    last: tuple[Any, ...] | None = None
    changed = 0
    while True:
        # By the key and never by what is to be done: each batch looks at a bounded number of rows.
        behind = sa.true() if last is None else sa.tuple_(*keys) > sa.tuple_(*_bound(keys, last))
        async with database.session() as session:
            rows = (await session.execute(page.where(behind).order_by(*keys).limit(batch))).all()
            for row in rows:
                key, stored = tuple(row[: len(keys)]), dict(zip(names, row[len(keys) :], strict=True))
                new = change(key, stored)
                if new:
                    await session.execute(_update(table, keys, key, stored, new, type_))
                    changed += 1
        if len(rows) < batch:
            return changed
        last = tuple(rows[-1][: len(keys)])


def _bound(keys: list[sa.Column[Any]], values: tuple[Any, ...]) -> list[sa.BindParameter[Any]]:
    return [sa.bindparam(None, value, column.type) for column, value in zip(keys, values, strict=True)]


def _update(
    table: sa.Table,
    keys: list[sa.Column[Any]],
    key: tuple[Any, ...],
    stored: Mapping[str, Any],
    new: Mapping[str, Any],
    type_: sa.types.TypeEngine[Any],
) -> sa.Update:
    same = [column == value for column, value in zip(keys, key, strict=True)]
    # Only what is replaced must be as it was; an index that goes along is not in *stored*.
    same += [sa.type_coerce(table.c[name], type_) == stored[name] for name in new if name in stored]
    kept = {column: column for column in table.columns if column.onupdate is not None}
    values = {
        table.c[name]: sa.bindparam(None, value, type_ if name in stored else table.c[name].type)
        for name, value in new.items()
    }
    return sa.update(table).where(*same).values({**kept, **values})

"""How heavy a page is, asked of the database before any of it is read (S11)."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import sqlalchemy as sa


def weight(*pages: sa.Select[Any]) -> sa.Select[Any]:
    """How many bytes the rows of *pages* hold together, as ``bytes``."""
    return sa.select(reduce(add, map(_of_one, pages)).label("bytes"))


def _of_one(page: sa.Select[Any]) -> Any:
    sizes = [sa.func.coalesce(sa.func.octet_length(sa.cast(column, sa.Text())), 0) for column in page.subquery().c]
    return sa.select(sa.func.coalesce(sa.func.sum(reduce(add, sizes)), 0)).scalar_subquery()

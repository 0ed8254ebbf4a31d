"""Texts that were stored before the list changed (HT1)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from backstay import ConfigError, Html
from backstay.catalog import build_catalog
from backstay.upkeep import reclean
from tests.http.api import Api


def test_old_texts_are_cleaned(ward: Api) -> None:
    """HT1: every row of every batch is cleaned, once; what is clean is not written."""

    async def work() -> tuple[int, int, list[Any]]:
        async with ward.app.session() as session:
            table = ward.app.metadata.tables["wards"]
            plain = sa.table("wards", sa.column("name"), sa.column("sign"))
            rows = [{"name": f"w{i}", "sign": f"<b onclick=x()>{i}</b>" if i % 2 else "<b>x</b>"} for i in range(45)]
            await session.execute(sa.insert(plain), rows)
        first = await reclean(ward.app.database, build_catalog(ward.app.metadata), batch=10)
        second = await ward.app.reclean_html()
        async with ward.app.session() as session:
            return first, second, list(await session.scalars(sa.select(table.c.sign).where(table.c.name == "w7")))

    ward.dirty = True
    assert (22, 0, ["<b>7</b>"]) == ward.loop.run_until_complete(work())


def test_a_table_without_a_key_is_refused() -> None:
    """There is nothing to go through its rows by, and that is said before anything is written."""
    metadata = sa.MetaData()
    sa.Table("notes", metadata, sa.Column("text", Html()))
    database: Any = None
    with pytest.raises(ConfigError) as caught:
        asyncio.run(reclean(database, build_catalog(metadata)))
    assert "BST-E507" == caught.value.code

"""SQLite files as they are found in the world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest

from backstay import Backstay, Settings
from backstay.adapters.sqlite.reflect import reflect_sqlite
from backstay.catalog.facts import Name
from backstay.errors import DatabaseError
from tests.http.client import Client
from tests.http.shop_app import SECRET

SCHEMA = """
CREATE TABLE makers (id INTEGER PRIMARY KEY, [full name] TEXT, CONSTRAINT "one name" UNIQUE ([full name]));
CREATE TABLE things (
  id INTEGER PRIMARY KEY, flag BOOLEAN, made DATETIME, price DECIMAL(10, 2), blob BLOB, doc JSON, any_value, tags TEXT[],
  maker INT, twice INT GENERATED ALWAYS AS (id * 2), FOREIGN KEY (maker) REFERENCES Makers);
CREATE TABLE pairs (a TEXT, b TEXT, PRIMARY KEY (b, a)) WITHOUT ROWID;
CREATE UNIQUE INDEX one_flag ON things (flag) WHERE flag;
CREATE VIEW shown AS SELECT id AS nr, maker AS who FROM things;
CREATE VIEW broken AS SELECT * FROM gone;
CREATE VIRTUAL TABLE found USING fts5 (text);
INSERT INTO makers VALUES (1, 'Ann');
INSERT INTO things (id, flag, made, price, blob, doc, any_value, tags, maker) VALUES
  (1, 1, '2024-01-02 03:04:05', 12.5, x'00ff', '{"a": 1}', 5, '["x", 2]', 1),
  (2, 'maybe', 1704164645, 'dear', 'text', '{not json', x'01', 'no', NULL),
  (3, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    connection = apsw.Connection(str(tmp_path / "found.db"))
    connection.execute(SCHEMA)
    connection.close()
    return str(tmp_path / "found.db")


def test_facts(path: str) -> None:
    """Names, keys, uniques and computed columns are found; shadow tables and broken views are not."""
    facts = reflect_sqlite(path, "main")
    tables = {table.name.table: table for table in facts.tables}
    assert {"makers", "things", "pairs", "shown", "found"} == set(tables)
    assert (("one name", ("full name",)),) == tables["makers"].uniques
    assert () == tables["things"].uniques
    assert (("b", "a"), False) == (tables["pairs"].primary_key, tables["pairs"].has_rowid)
    assert ["twice"] == [column.name for column in tables["things"].columns if column.computed]
    assert frozenset() == tables["shown"].writes
    (key,) = facts.keys
    assert ("things_maker_fkey", Name("main", "makers"), (("maker", "id"),)) == (key.name, key.referred, key.pairs)
    assert {("shown", "p"), ("shown", "f")} == {
        (v.view.table, v.kind) for v in facts.view_keys if v.view.table == "shown"
    }


@pytest.mark.anyio
async def test_values_are_shown_as_what_they_are(path: str) -> None:
    """What fits the declared type is shown as that type, all else as it is stored; nothing is an error."""
    app = Backstay.reflect(path, open_to="anon", settings=Settings(jwt_secret=SECRET))
    async with app.started():
        client = Client(app)

        async def rows(query: str) -> Any:
            import json

            return json.loads((await client.ask("GET", f"/rest/v1/things?{query}")).body)

        whole = await rows("select=id,flag,made,price,blob,doc,any_value,tags&order=id")
        assert [
            {
                "id": 1,
                "flag": True,
                "made": "2024-01-02T03:04:05",
                "price": 12.5,
                "blob": "\\x00ff",
                "doc": {"a": 1},
                "any_value": 5,
                "tags": ["x", 2],
            },
            {
                "id": 2,
                "flag": "maybe",
                "made": 1704164645,
                "price": "dear",
                "blob": "text",
                "doc": "{not json",
                "any_value": "\\x01",
                "tags": "no",
            },
            {
                "id": 3,
                "flag": False,
                "made": None,
                "price": None,
                "blob": None,
                "doc": None,
                "any_value": None,
                "tags": None,
            },
        ] == whole
        assert [{"id": 1}] == await rows("select=id&flag=is.true")
        assert [{"a": 1}, {"a": None}, {"a": None}] == await rows("select=doc->a&order=id")
        assert [{"id": 1}] == await rows("select=id&tags=cs.{x}")
        assert [{"full name": "Ann"}] == await rows('select=...makers("full name")&id=eq.1')


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """XX001 and not a trace."""
    (tmp_path / "x.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(DatabaseError) as caught:
        reflect_sqlite(str(tmp_path / "x.db"), "main")
    assert "XX001" == caught.value.code

"""Values on their way into JSON, paths into them, and their order, on SQLite."""

from __future__ import annotations

from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from backstay.catalog import opaque
from backstay.errors import PlanError
from backstay.request.field import Step
from backstay.sql.dialect import Typed
from backstay.sql.sqlite.path import json_path, sort_key
from backstay.sql.sqlite.rows import default, finite, packed
from backstay.sql.sqlite.value import json_value
from backstay.sql.stored import moment_text
from tests.sql.memory import SQLITE, asked, column, computed, memory, shown, written

MOMENT: Final = opaque.StoredMoment("timestamp")


def typed(type_: Any, stored: Any) -> Typed:
    return Typed(sa.literal(stored, sa.types.NULLTYPE) if stored is not None else sa.null(), type_)


@pytest.mark.parametrize(
    ("type_", "stored", "expected"),
    [
        (sa.Boolean(), 1, True),
        (sa.Boolean(), 0, False),
        (sa.Integer(), 5, 5),
        (sa.Text(), "5", "5"),
        (sa.Double(), 1.5, 1.5),
        (sa.Numeric(30, 2), "1.50", 1.5),
        (sa.LargeBinary(), b"\xff\x0a", "\\xff0a"),
        (sa.JSON(), '{"a":[1]}', {"a": [1]}),
        (sa.ARRAY(sa.Integer()), "[1]", [1]),
        # A file that is not ours: a value of the declared type is shown as such, any other as what it is.
        (opaque.StoredBoolean(), 1, True),
        (opaque.StoredBoolean(), 0, False),
        (opaque.StoredBoolean(), 2, 2),
        (opaque.StoredBoolean(), 1.0, 1.0),
        (opaque.StoredBoolean(), "yes", "yes"),
        (opaque.StoredBoolean(), b"\xff", "\\xff"),
        (opaque.StoredInteger(), 5, 5),
        (opaque.StoredInteger(), "five", "five"),
        (opaque.StoredText(), b"\xff", "\\xff"),
        (opaque.StoredJSON(), '{"a":1}', {"a": 1}),
        (opaque.StoredJSON(), "{a:1}", {"a": 1}),
        (opaque.StoredJSON(), "{a", "{a"),
        (opaque.StoredJSON(), b"\xff", "\\xff"),
        (opaque.StoredArray(sa.Text()), '["a"]', ["a"]),
        (opaque.StoredArray(sa.Text()), "a,b", "a,b"),
        (MOMENT, "2024-01-01 02:03:04", "2024-01-01T02:03:04"),
        (MOMENT, "2024-01-01T02:03:04", "2024-01-01T02:03:04"),
        (MOMENT, "2024-01-01", "2024-01-01"),
        (MOMENT, 1704067200, 1704067200),
        (MOMENT, b"\xff", "\\xff"),
    ],
    ids=repr,
)
def test_json(type_: Any, stored: Any, expected: Any) -> None:
    """Each type as PostgreSQL shows it; NULL is null."""
    assert (expected, type(expected)) == ((found := shown(json_value(typed(type_, stored)))), type(found))
    assert shown(json_value(typed(type_, None))) is None


@pytest.mark.parametrize(
    ("type_", "stored", "text"),
    [
        # Up to 15 digits a decimal is a number in the file, and shows its places.
        (sa.Numeric(15, 2), 1.5, "[1.50]"),
        (sa.Numeric(15, 0), 1.0, "[1]"),
        (sa.Numeric(15, 2), -0.125, "[-0.13]"),
        (sa.Numeric(16, 2), "1.5", "[1.5]"),
        (sa.Numeric(15), 1.5, "[1.5]"),
        (sa.Numeric(), "0.10", "[0.10]"),
    ],
    ids=str,
)
def test_decimals(type_: Any, stored: Any, text: str) -> None:
    """A decimal has as many places as its type says, or as were stored."""
    assert text == computed(sa.func.json_array(json_value(typed(type_, stored))))


WHOLE: Final = '{"t":"x","n":5,"b":true,"z":null,"o":{"a":[10,20,30]},"":1}'


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((Step("t", True),), "x"),
        ((Step("n", True),), "5"),
        ((Step("b", True),), "true"),
        ((Step("z", True),), None),
        ((Step("none", True),), None),
        ((Step("o", True),), '{"a": [10, 20, 30]}'),
        ((Step("o"), Step("a", True)), "[10, 20, 30]"),
        ((Step("o"), Step("a"), Step(0, True)), "10"),
        ((Step("o"), Step("a"), Step(-1, True)), "30"),
        ((Step("o"), Step("a"), Step(3, True)), None),
        ((Step("t"),), '"x"'),
        ((Step("z"),), "null"),
        ((Step("o"), Step("a")), "[10,20,30]"),
        ((Step("o"), Step("a"), Step(-3)), "10"),
    ],
)
def test_paths(path: tuple[Step, ...], expected: str | None) -> None:
    """``->>`` gives text as PostgreSQL writes it, ``->`` JSON; a place is counted from either end."""
    found = json_path(typed(pg.JSONB(), WHOLE), path)
    assert expected == computed(found.expression)
    assert isinstance(found.type, sa.Text if path[-1].as_text else sa.JSON)


@pytest.mark.parametrize(
    ("type_", "stored", "expected"),
    [
        (opaque.StoredJSON(), '{"o":{"a":1}}', '{"a":1}'),
        (opaque.StoredJSONB(), '{"o":{"a":1}}', '{"a": 1}'),
        (sa.JSON(), '{"o":{"a":1}}', '{"a": 1}'),
        (opaque.StoredJSON(), "no JSON", None),
    ],
    ids=repr,
)
def test_a_path_into_a_file_that_is_not_ours(type_: Any, stored: str, expected: str | None) -> None:
    """Plain JSON is shown as it was written; what is none has no parts."""
    assert expected == computed(json_path(typed(type_, stored), (Step("o", True),)).expression)


@pytest.mark.parametrize("key", ['a"b', "a\\b"])
def test_keys_that_sqlite_cannot_say(key: str) -> None:
    """SQ3: no key of a client gets out of its quotes."""
    with pytest.raises(PlanError) as refused:
        json_path(typed(pg.JSONB(), "{}"), (Step(key),))
    assert "PGRST127" == refused.value.code


@pytest.mark.parametrize(
    ("type_", "path", "stored"),
    [
        (sa.Enum("low", "high", "mid"), (), ["low", "high", "mid"]),
        (sa.Enum("a", "b"), (), ["a", "b"]),
        (pg.JSONB(), (), ["null", '"a"', "9", "10", "true", "[1]"]),
        (sa.ARRAY(sa.Integer()), (), ["[9]", "[9,1]", "[10]"]),
        (pg.JSONB(), (Step("n"),), ['{"n":9}', '{"n":10}']),
        (pg.JSONB(), (Step("n", True),), ['{"n":10}', '{"n":9}']),
        (sa.Text(), (), ["10", "9"]),
    ],
    ids=repr,
)
def test_order(type_: Any, path: tuple[Step, ...], stored: list[str]) -> None:
    """Rows come in the order that PostgreSQL gives their values, and not in that of their texts."""
    with memory("CREATE TABLE t (v)") as connection:
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in reversed(stored)])
        key = sort_key(Typed(sa.column("v"), type_), path)
        rows = asked(connection, sa.select(sa.column("v")).select_from(sa.table("t")).order_by(key))
    assert stored == [value for (value,) in rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" 2024-01-01 02:03 ", "2024-01-01T02:03"),
        ("2024-01-01T02:03", "2024-01-01T02:03"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01 soon", "2024-01-01 soon"),
        ("2024-01-01 02:03 2024-01-01 02:03", "2024-01-01T02:03 2024-01-01 02:03"),
    ],
)
def test_moments(text: str, expected: str) -> None:
    """A client's moment gets the T that the column's are shown with."""
    assert expected == moment_text(text)


def test_rows_are_packed() -> None:
    """Rows travel as one JSON text; bytes in it as hexadecimal digits, and unpacked as what they were."""
    types = {"n": sa.Integer(), "t": sa.Text(), "f": sa.Double(), "b": sa.LargeBinary()}
    columns = [column(name, type_) for name, type_ in types.items()]
    rows = [[5, "ä", 1.5, b"\xff"], [None, None, None, None], [True, "", -0.5, b""]]
    listed = SQLITE.listed(columns, 0)
    with memory() as connection:
        found = asked(connection, sa.select(*listed.values, listed.ordinal).select_from(listed.from_), packed(rows))
    assert [(5, "ä", 1.5, b"\xff", 0), (None, None, None, None, 1), (1, "", -0.5, b"", 2)] == list(found)
    assert "ä" in packed(rows)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_sqlite_would_lose(value: float) -> None:
    """NaN would be stored as NULL, and an infinity could not be shown: neither is taken."""
    for given in (lambda: finite(value), lambda: packed([[1, value]])):
        with pytest.raises(PlanError) as refused:
            given()
        assert "PGRST127" == refused.value.code


@pytest.mark.parametrize(
    ("own", "more", "expected"),
    [
        ({"server_default": "it's"}, {}, "'it''s'"),
        ({"server_default": sa.text("1 + 1")}, {}, "1 + 1"),
        ({}, {"default_sql": "abs(-1)"}, "(abs(-1))"),
        ({}, {}, "NULL"),
        ({"server_default": "x"}, {"generated": True}, None),
    ],
)
def test_defaults(own: Any, more: Any, expected: str | None) -> None:
    """SQLite's UPDATE has no word for a default: it is written out, and nothing is for what the database computes."""
    plain = column("v", sa.Text(), **more)
    plain.sql.server_default = sa.Column("v", sa.Text(), **own).server_default
    found = default(plain)
    assert expected == (None if found is None else written(found, SQLITE))

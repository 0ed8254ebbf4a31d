"""PostgreSQL's functions on SQLite."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cmp_to_key
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.adapters.sqlite.compute import check_size, compute, decimal_text, scaled_text
from backstay.adapters.sqlite.connection import Budget, Location, connect
from backstay.adapters.sqlite.functions import DecimalSum, compare_decimals, json_contains, lower_text
from backstay.errors import DatabaseError


@pytest.mark.parametrize(
    ("whole", "part", "expected"),
    [
        ('{"a": 1, "b": 2}', '{"a": 1}', 1),
        ('{"a": 1}', '{"a": 1, "b": 2}', 0),
        ('{"a": {"b": {"c": 1}}}', '{"a": {"b": {}}}', 1),
        ('{"a": {"b": 1}}', '{"b": 1}', 0),
        ("[1, 2, [1, 3]]", "[[1, 3]]", 1),
        ("[1, 2, [1, 3]]", "[[1]]", 1),
        ("[1, 2, 3]", "[3, 1, 3]", 1),
        ("[1, 2]", "[3]", 0),
        ('["foo", "bar"]', '"bar"', 1),
        ('[["bar"]]', '"bar"', 0),
        ('"bar"', '["bar"]', 0),
        ('{"a": ["x"]}', '{"a": "x"}', 0),
        ("[]", "[]", 1),
        ("{}", "[]", 0),
        ("1", "1.0", 1),
        ("true", "1", 0),
        ("[1]", "true", 0),
        ("null", "null", 1),
        ('{"a": null}', '{"a": null}', 1),
        ("{}", '{"a": null}', 0),
        (None, "1", None),
        ("1", None, None),
        ("no json", "1", None),
    ],
)
def test_json_contains(whole: str | None, part: str | None, expected: int | None) -> None:
    """The examples of PostgreSQL's manual §8.14.3, and their edges."""
    assert json_contains(whole, part) == expected


@pytest.mark.parametrize("depth", [100, 400, 5000])
def test_json_contains_survives_depth(depth: int) -> None:
    """LM3: nesting beyond Python's stack is the client's mistake, not a crash."""
    deep = "[" * depth + "]" * depth
    try:
        outcome: object = json_contains(deep, deep)
    except DatabaseError as error:
        outcome = error.status
    assert outcome in (1, 400)


def test_json_contains_is_bounded() -> None:
    """S5, LM10: two large values cannot hold the event loop."""
    whole = "[" + ",".join(f"[{n}]" for n in range(20_000)) + "]"
    part = "[" + ",".join(["[19999]"] * 500) + "]"
    budget = Budget(60.0)
    budget.start(work=1 << 20)
    with pytest.raises(DatabaseError, match="timeout"):
        json_contains(whole, part, budget.spend)


def test_plain_values_are_looked_up() -> None:
    """S5: two long lists of plain values cost their lengths, not the product of them."""
    spent: list[int] = []
    whole = "[" + ",".join(map(str, range(20_000))) + "]"
    assert 1 == json_contains(whole, whole, spent.append)
    assert sum(spent) < 100 * len(whole)
    assert [0, 0, 1] == [json_contains(w, p) for w, p in (("[true]", "[1]"), ("[1,2]", "[1,[2]]"), ("[1]", "[1.0]"))]


@pytest.mark.parametrize("number", ["1e200000", "-1e200000", "1e-20000"])
def test_no_number_becomes_a_gigabyte_of_text(number: str) -> None:
    """22003, as PostgreSQL's numeric overflows."""
    with pytest.raises(DatabaseError) as caught:
        check_size(Decimal(number))
    total = DecimalSum()
    with pytest.raises(DatabaseError):
        total.step(number)
    assert (caught.value.code, check_size(Decimal("NaN")).is_nan()) == ("22003", True)


@pytest.mark.parametrize(
    "made",
    [
        lambda: decimal_text("1e999999999"),
        lambda: scaled_text("1e999999999", 2),
        lambda: compute("+", "decimal", "decimal", "1e999999999", "1"),
        lambda: compute("*", "decimal", "decimal", "1e100000", "1e100000"),
        lambda: compute("*", "decimal", "decimal", "1e-10000", "1e-10000"),
    ],
)
def test_a_computed_decimal_is_of_a_size(made: Callable[[], object]) -> None:
    """S5: what a file of others holds, or a product makes, is not written out to a gigabyte of zeros."""
    with pytest.raises(DatabaseError) as caught:
        made()
    assert "22003" == caught.value.code


def test_lower() -> None:
    """Of all of Unicode."""
    assert [lower_text("ÀÉΣ"), lower_text(5), lower_text(None)] == ["àéσ", "5", None]


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=3), max_size=20))
def test_decimal_order(numbers: list[Decimal]) -> None:
    """Text sorts as the numbers do."""
    texts = sorted((str(number) for number in numbers), key=cmp_to_key(compare_decimals))
    assert [Decimal(text) for text in texts] == sorted(numbers)


@pytest.fixture
def connection(tmp_path: Path) -> apsw.Connection:
    return connect(Location.at(str(tmp_path / "app.db")), "owner")


def test_exact_decimals_in_sql(connection: apsw.Connection) -> None:
    """Equality, order, uniqueness and sum are exact where a float would lie."""
    connection.execute("CREATE TABLE money (amount DECIMAL_TEXT COLLATE BACKSTAY_DECIMAL UNIQUE)")
    for amount in ("12345678901234567890.01", "12345678901234567890.02", "9", "-1.5"):
        connection.execute("INSERT INTO money VALUES (?)", (amount,))
    with pytest.raises(apsw.ConstraintError):
        connection.execute("INSERT INTO money VALUES ('9.00')")
    ordered = connection.execute("SELECT amount FROM money ORDER BY amount").fetchall()
    equal = connection.execute("SELECT count(*) FROM money WHERE amount = '9.0'").fetchall()
    total = connection.execute("SELECT backstay_decimal_sum(amount) FROM money").fetchall()
    nothing = connection.execute("SELECT backstay_decimal_sum(amount) FROM money WHERE 0").fetchall()
    assert [a for (a,) in ordered] == ["-1.5", "9", "12345678901234567890.01", "12345678901234567890.02"]
    assert (equal, total, nothing) == ([(1,)], [("24691357802469135787.53",)], [(None,)])
    connection.close()


def test_functions_in_an_index(connection: apsw.Connection) -> None:
    """They are deterministic and innocuous: an index may use them, with an untrusted schema too."""
    connection.execute("CREATE TABLE names (name TEXT)")
    connection.execute("CREATE INDEX lowered ON names (backstay_lower(name))")
    connection.execute("INSERT INTO names VALUES ('ÄB')")
    found = connection.execute("SELECT name FROM names WHERE backstay_lower(name) = 'äb'").fetchall()
    assert found == [("ÄB",)]
    connection.close()

"""``column op value`` on SQLite means what it means on PostgreSQL, NULL included."""

from __future__ import annotations

from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from backstay.catalog.opaque import StoredMoment
from backstay.errors import PlanError
from backstay.plan.intent import Compare, Operand
from backstay.request.field import Step
from backstay.request.filters import Value
from backstay.sql.dialect import Typed
from backstay.sql.sqlite.condition import compare, guard
from tests.sql.memory import asked, column, compared, computed, memory

ENUM: Final = sa.Enum("low", "high", "mid")
INTS: Final = sa.ARRAY(sa.Integer())
MOMENT: Final = StoredMoment("timestamp")
DAY: Final = sa.DateTime(timezone=True)


def held(type_: Any, stored: Any, op: str, given: Any, **more: Any) -> Any:
    """Whether a column of *type_* that holds *stored* satisfies the condition: 1, 0 or ``None``."""
    value = sa.literal(stored, sa.types.NULLTYPE) if stored is not None else sa.null()
    if op == "is":
        return computed(compare(Typed(value, type_), compared(type_, op, given, **more)))
    return computed(compare(Typed(value, type_), compared(type_, op, **more)), given)


@pytest.mark.parametrize(
    ("type_", "stored", "op", "given", "expected"),
    [
        *((sa.Integer(), 5, op, "5", held) for op, held in zip(["eq", "neq", "gt", "gte", "lt", "lte"], [1, 0, 0, 1, 0, 1], strict=True)),
        *((sa.Integer(), 5, op, "4", held) for op, held in zip(["eq", "neq", "gt", "gte", "lt", "lte"], [0, 1, 1, 1, 0, 0], strict=True)),
        *((sa.Integer(), None, op, "4", None) for op in ["eq", "neq", "gt", "gte", "lt", "lte"]),
        (sa.Integer(), None, "isdistinct", "4", 1),
        (sa.Integer(), 4, "isdistinct", "4", 0),
        (sa.Integer(), 5, "in", ("4", "5"), 1),
        (sa.Integer(), 5, "in", ("4",), 0),
        (sa.Integer(), 5, "in", (), 0),
        (sa.Integer(), None, "in", ("4",), None),
        # An enum compares by the place of its labels, and is equal by their text.
        (ENUM, "mid", "gt", "high", 1),
        (ENUM, "mid", "gt", "mid", 0),
        (ENUM, "low", "gte", "high", 0),
        (ENUM, "low", "lt", "high", 1),
        (ENUM, "mid", "lte", "high", 0),
        (ENUM, "mid", "eq", "mid", 1),
        (ENUM, "mid", "in", ("low", "mid"), 1),
        (ENUM, "mid", "isdistinct", "mid", 0),
        (ENUM, "high", "like", "h*", 1),
        # JSON and arrays are equal as values, whatever their texts.
        (pg.JSONB(), '{"a":1,"b":2}', "eq", '{"b": 2, "a": 1}', 1),
        (pg.JSONB(), '{"a":1}', "neq", '{ "a": 1 }', 0),
        (pg.JSONB(), '{"a":1}', "in", ('{ "a": 1 }', "2"), 1),
        (pg.JSONB(), '{"a":1}', "isdistinct", '{ "a": 1.0 }', 0),
        (pg.JSONB(), "10", "gt", "9", 1),
        (INTS, "[10]", "gt", "{9}", 1),
        (INTS, "[1,2]", "eq", "{1,2}", 1),
        (INTS, "[1,2]", "isdistinct", "{1,2}", 0),
        (sa.Text(), "aXb", "like", "a_b", 1),
        (sa.Text(), "aXb", "like", "a*", 1),
        (sa.Text(), "aXb", "like", "A*", 0),
        (sa.Text(), "aXb", "ilike", "A*", 1),
        (sa.Text(), "ÄX", "ilike", "ä*", 1),
        (sa.Text(), None, "like", "*", None),
        (sa.Text(), "abc", "match", "^a", 1),
        (sa.Text(), "abc", "match", "^A", 0),
        (sa.Text(), "abc", "imatch", "^A", 1),
        (pg.JSONB(), '{"a":1,"b":2}', "cs", '{"a":1}', 1),
        (pg.JSONB(), '{"a":1}', "cs", '{"a":1,"b":2}', 0),
        (pg.JSONB(), '{"a":1}', "cd", '{"a":1,"b":2}', 1),
        (pg.JSONB(), '{"a":1,"b":2}', "cd", '{"a":1}', 0),
        (INTS, "[1,2,3]", "cs", "{1}", 1),
        (INTS, "[1]", "cs", "{1,2}", 0),
        (INTS, "[1]", "cd", "{1,2}", 1),
        (INTS, "[1,2,3]", "cd", "{1}", 0),
        (INTS, "[1,2]", "ov", "{2,3}", 1),
        (INTS, "[1,2]", "ov", "{3}", 0),
        (INTS, None, "ov", "{3}", None),
        (sa.Boolean(), 1, "is", "true", 1),
        (sa.Boolean(), 0, "is", "true", 0),
        (sa.Boolean(), 0, "is", "false", 1),
        (sa.Boolean(), None, "is", "false", 0),
        (sa.Boolean(), None, "is", "unknown", 1),
        (sa.Boolean(), 0, "is", "unknown", 0),
        (sa.Text(), None, "is", "null", 1),
        (sa.Text(), "", "is", "null", 0),
        (sa.Text(), "", "is", "not_null", 1),
        (sa.Text(), None, "is", "not_null", 0),
        # A file that somebody else has written, with a blank in its moments.
        *((MOMENT, "2024-01-01 02:03:04", op, "2024-01-01 02:03:04", held) for op, held in zip(["eq", "neq", "gt", "lte", "isdistinct"], [1, 0, 0, 1, 0], strict=True)),
        (MOMENT, "2024-01-01 02:03:04", "eq", "2024-01-01T02:03:04", 1),
        (MOMENT, "2024-01-01T02:03:04", "in", ("2024-01-01 02:03:04",), 1),
        (MOMENT, "soon", "eq", "soon", 1),
        (MOMENT, "2024-01-01 02:03:04", "like", "2024-01-01 02*", 1),
        # A text that looks like one is what it is.
        (sa.Text(), "2024-01-01 02:03:04", "eq", "2024-01-01 02:03:04", 1),
        # What GLOB would read as a pattern is itself in one of LIKE.
        (sa.Text(), "a[b]?", "like", "a[b]?", 1),
        (sa.Text(), "abX", "like", "a[b]?", 0),
        (sa.Text(), "a%", "like", "a\\%", 1),
        (sa.Text(), "ab", "like", "a\\%", 0),
    ],
)  # fmt: skip
def test_one_value(type_: Any, stored: Any, op: str, given: Any, expected: Any) -> None:
    """Each operator, for the values that SQLite by itself would compare in another way too."""
    assert expected == held(type_, stored, op, given)


@pytest.mark.parametrize(
    ("type_", "stored", "op", "quantifier", "given", "expected"),
    [
        (sa.Integer(), 5, "eq", "any", ("4", "5"), 1),
        (sa.Integer(), 5, "eq", "any", ("4",), 0),
        (sa.Integer(), 5, "gt", "all", ("4", "3"), 1),
        (sa.Integer(), 5, "gt", "all", ("4", "6"), 0),
        (sa.Integer(), 5, "gt", "any", (), 0),
        (sa.Integer(), 5, "gt", "all", (), 1),
        # An empty list decides by itself, whatever the column holds.
        (sa.Integer(), None, "gt", "any", (), 0),
        (sa.Integer(), None, "gt", "all", (), 1),
        (sa.Integer(), None, "gt", "any", ("1",), None),
        (sa.Integer(), None, "gt", "all", ("1",), None),
        (ENUM, "mid", "gt", "any", ("mid", "high"), 1),
        (ENUM, "high", "gt", "all", ("mid", "low"), 0),
        (sa.Text(), "abc", "like", "any", ("x*", "a*"), 1),
        (sa.Text(), "abc", "ilike", "all", ("X*", "A*"), 0),
        (sa.Text(), "abc", "match", "all", ("^a", "c$"), 1),
        (sa.Text(), "abc", "imatch", "any", ("^B", "C$"), 1),
        (MOMENT, "2024-01-01 02:03:04", "eq", "any", ("2024-01-01T02:03:04",), 1),
    ],
)
def test_several_values(type_: Any, stored: Any, op: str, quantifier: Any, given: Any, expected: Any) -> None:
    """``op(any)`` and ``op(all)``: over lists, empty lists and NULL."""
    assert expected == held(type_, stored, op, given, quantifier=quantifier)


@pytest.mark.parametrize(
    ("op", "given", "path", "expected"),
    [
        ("eq", "5", (Step("n", True),), 1),
        ("eq", "5", (Step("n"),), 1),
        ("gt", "10", (Step("n"),), 0),
        # As text, 5 is more than 10.
        ("gt", "10", (Step("n", True),), 1),
        ("eq", "x", (Step("o"), Step("s", True)), 1),
        ("cs", '{"s":"x"}', (Step("o"),), 1),
        ("eq", '{ "s" : "x" }', (Step("o"),), 1),
        ("is", "null", (Step("none"),), 1),
        ("is", "null", (Step("null", True),), 1),
    ],
)
def test_paths(op: str, given: Any, path: tuple[Step, ...], expected: int) -> None:
    """A path into JSON gives text with ``->>``, and JSON with ``->``, which compares as JSON does."""
    assert expected == held(pg.JSONB(), '{"n":5,"o":{"s":"x"},"null":null}', op, given, path=path)


LONG: Final = "x" * 9000


@pytest.mark.parametrize(
    ("stored", "op", "given", "expected"),
    [
        (LONG + "ab", "like", "*a_", 1),
        (LONG + "ab", "like", "*A_", 0),
        (LONG + "AB", "ilike", "*a_", 1),
        (LONG, "like", "x*y", 0),
    ],
)
def test_a_long_text_is_matched_alike(stored: str, op: str, given: str, expected: int) -> None:
    """S5: where SQLite's own GLOB could take long, ours says the same."""
    assert expected == held(sa.Text(), stored, op, given)


@pytest.mark.parametrize(("bytes_", "native"), [(16_384 // 4, True), (16_384 // 4 + 1, False)])
def test_which_of_both_matches(bytes_: int, native: bool) -> None:
    """S5: SQLite's own GLOB is asked only where both lengths multiplied are small; neither reads letters for bytes."""
    value = sa.literal("ä" * (bytes_ // 2) + "x" * (bytes_ % 2), sa.Text())
    like = compare(Typed(value, sa.Text()), compared(sa.Text(), "like"))
    with memory() as connection:
        connection.create_scalar_function("backstay_glob", lambda *_: "ours", 2)
        assert [(1 if native else "ours",)] == asked(connection, sa.select(like), "ä_*")


@pytest.mark.parametrize(
    ("type_", "op"),
    [
        *((sa.Text(), op) for op in ("sl", "sr", "nxr", "nxl", "adj")),
        *((pg.INT4RANGE(), op) for op in ("sl", "cs", "cd", "ov")),
    ],
)
def test_not_on_sqlite(type_: Any, op: str) -> None:
    """What SQLite cannot look into is refused, and not answered with nothing."""
    with pytest.raises(PlanError) as refused:
        compare(Typed(sa.column("v"), type_), compared(type_, op))
    assert "PGRST127" == refused.value.code


@pytest.mark.parametrize("op", ["eq", "in", "like", "cs"])
def test_a_value_is_bound(op: str) -> None:
    """SQ1: a value that was not taken out of the request never becomes a part of a statement."""
    value: Value = ("5",) if op == "in" else "5"
    with pytest.raises(PlanError) as refused:
        compare(Typed(sa.column("v"), sa.Text()), compared(sa.Text(), op, value))
    assert "PGRST100" == refused.value.code


def test_an_unknown_operator() -> None:
    """Nothing is made of an operator that is not one."""
    with pytest.raises(PlanError) as refused:
        compare(Typed(sa.column("v"), sa.Text()), compared(sa.Text(), "between"))
    assert "PGRST100" == refused.value.code


def test_lists_of_bytes() -> None:
    """A list travels as JSON, which has no bytes; a single value is bound."""
    assert 1 == held(sa.LargeBinary(), b"\xff", "eq", "\\xff")
    with pytest.raises(PlanError) as refused:
        held(sa.LargeBinary(), b"\xff", "in", ("\\xff",))
    assert "PGRST127" == refused.value.code


@pytest.mark.parametrize("op", ["eq", "like", "in", "cs", "is"])
def test_most_values_need_no_guard(op: str) -> None:
    """AC4: the other operators read their value when it is bound, before any row."""
    assert guard(compared(sa.Text(), op, "null") if op == "is" else compared(sa.Text(), op)) is None
    assert guard(Compare(Operand(column("v", sa.Text())), "match", "a")) is None


@pytest.mark.parametrize("op", ["match", "imatch"])
@pytest.mark.parametrize(
    ("quantifier", "given", "sound"),
    [
        (None, "^a+", True),
        (None, "(", False),
        ("any", ("^a", "b"), True),
        ("all", ("^a", "("), False),
        ("any", (), True),
    ],
)
def test_regular_expressions_are_tried_first(op: str, quantifier: Any, given: Any, sound: bool) -> None:
    """AC4: whether a regular expression is one is found without any row."""
    tried = guard(compared(sa.Text(), op, quantifier=quantifier))
    assert tried is not None
    if sound:
        assert 1 == computed(tried, given)
        return
    with pytest.raises(Exception, match="2201B"):
        computed(tried, given)

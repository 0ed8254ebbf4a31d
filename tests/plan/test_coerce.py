"""Texts of clients as values of a type; those that are none are told in as many steps as they are long."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from backstay.errors import PlanError
from backstay.plan.coerce import _COERCIONS, coerce, type_name
from tests.counting import lines

#: Every type that reads its text, and texts that a reader might divide in many ways.
TYPES = (
    sa.Integer(),
    sa.Numeric(),
    sa.Double(),
    sa.Boolean(),
    sa.Uuid(),
    sa.DateTime(timezone=True),
    sa.Date(),
    sa.Time(),
    sa.Interval(),
    sa.LargeBinary(),
    sa.JSON(),
    sa.ARRAY(sa.Numeric()),
    sa.ARRAY(sa.Text()),
)
TEXTS = (
    "1",
    " ",
    "1 ",
    "0.",
    "\\x",
    "ab",
    "{",
    "{a,",
    '{"',
    "\\",
    "[",
    '{"a":',
    "1e",
    "-",
    "2024-01-01T",
    "{1,",
    "\t\n",
)


def steps(type_: sa.types.TypeEngine[object], text: str) -> int:
    def read() -> None:
        with contextlib.suppress(PlanError):
            coerce(text, type_)

    return lines(read)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: str(type(type_).__name__))
def test_a_long_text_takes_no_more_than_its_length(type_: sa.types.TypeEngine[object], text: str) -> None:
    """S7: what is nearly a number, a list or a moment takes twice as many steps where it is twice as long."""
    for begin, end in (("", "!"), ("{", "!}")):
        once, twice = (steps(type_, begin + text * (times * 2_000 // len(text)) + end) for times in (1, 2))
        assert twice <= 2 * once + 50


def test_what_takes_more_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The count can fail: a step for each pair of characters is four times as many."""

    def pairs(text: str, type_: Any) -> int:
        return sum(1 for one in text for other in text)

    monkeypatch.setitem(_COERCIONS, "integer", pairs)  # type: ignore[arg-type]
    assert steps(sa.Integer(), "1" * 200) > 3 * steps(sa.Integer(), "1" * 100)


BOOLEAN, SMALL, INTEGER, BIG = sa.Boolean(), sa.SmallInteger(), sa.Integer(), sa.BigInteger()
FLOAT, NUMERIC, UUID, JSON, BYTES = sa.Double(), sa.Numeric(), sa.Uuid(), sa.JSON(), sa.LargeBinary()
AWARE, NAIVE, DATE, TIME = sa.DateTime(timezone=True), sa.DateTime(), sa.Date(), sa.Time()
ID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"

VALUES: list[tuple[sa.types.TypeEngine[Any], str, Any]] = [
    *((BOOLEAN, text, 1) for text in ("t", "tr", "tru", "true", "TRUE", "y", "ye", " yes ", "on", "1")),
    *((BOOLEAN, text, 0) for text in ("f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0")),
    (SMALL, "32767", 32767),
    (SMALL, "-32768", -32768),
    (INTEGER, "2147483647", 2**31 - 1),
    (INTEGER, "-2147483648", -(2**31)),
    (INTEGER, " +7 ", 7),
    (INTEGER, "007", 7),
    (BIG, "9223372036854775807", 2**63 - 1),
    (BIG, "-9223372036854775808", -(2**63)),
    *((BIG, text, 1) for text in ("0" * 40 + "1", "0" * 5000 + "1", "+" + "0" * 5000 + "1")),
    (FLOAT, "-1.5e3", -1500.0),
    (FLOAT, "-inf", -math.inf),
    (FLOAT, "Infinity", math.inf),
    *((NUMERIC, text, value) for text, value in (("1", "1"), (" +1.50 ", "1.50"), ("1.", "1"), (".5", "0.5"))),
    *((NUMERIC, text, value) for text, value in (("-1e3", "-1000"), ("1.5E-2", "0.015"), ("1e1000", f"1{'0' * 1000}"))),
    (NUMERIC, "9" * 1000, "9" * 1000),
    (NUMERIC, "0" * 5000 + "1", "1"),
    *((NUMERIC, text, value) for text, value in (("-0", "0"), ("-0.00", "0.00"))),
    *((UUID, text, ID) for text in (ID, ID.upper(), ID.replace("-", ""), f"{{{ID}}}")),
    (AWARE, "2024-01-01T02:00:00+02:00", "2024-01-01T00:00:00+00:00"),
    (AWARE, "2024-01-01 02:00:00.50+02", "2024-01-01T00:00:00.5+00:00"),
    (AWARE, "2024-01-01T00:00:00.000001Z", "2024-01-01T00:00:00.000001+00:00"),
    (AWARE, " 2024-01-01 ", "2024-01-01T00:00:00+00:00"),
    (NAIVE, "2024-01-01T02:00:00+02:00", "2024-01-01T02:00:00"),
    (NAIVE, "2024-01-01 02:00:00.120", "2024-01-01T02:00:00.12"),
    *((DATE, text, "2024-01-01") for text in ("2024-01-01", " 2024-01-01 ", "20240101", "2024-01-01T23:00:00+02:00")),
    *((TIME, text, "10:00:00") for text in ("10:00", "10:00:00.000", "10:00:00+02:00")),
    (TIME, "10:00:00.500", "10:00:00.5"),
    (JSON, '{"b": 1, "a": [null]}', '{"b":1,"a":[null]}'),
    (JSON, '"\\u00fc"', '"ü"'),
    *((JSON, text, text) for text in ('"\\\\u0000"', '"u0000"', "9" * 5000)),
    *((BYTES, text, b"\x00\xff") for text in ("\\x00fF", "\\x 00 fF\n", "\\000\\377")),
    (BYTES, "a\\\\b", b"a\\b"),
    *((BYTES, text, value) for text, value in (("abc", b"abc"), ("", b""), ("\\x", b""), ("ü", "ü".encode()))),
    (sa.ARRAY(INTEGER), "{1,NULL}", "[1,null]"),
    (sa.ARRAY(INTEGER), "{}", "[]"),
    (sa.ARRAY(INTEGER), "{{1,2},{3,4}}", "[[1,2],[3,4]]"),
    (sa.ARRAY(INTEGER), "{{{1},{2}},{{3},{4}}}", "[[[1],[2]],[[3],[4]]]"),
    (sa.ARRAY(BOOLEAN), "{t,f,NULL}", "[true,false,null]"),
    (sa.ARRAY(NUMERIC), "{1.25,1e2}", "[1.25,100]"),
    (sa.ARRAY(FLOAT), "{NaN,Infinity,-Infinity,1.5}", '["NaN","Infinity","-Infinity",1.5]'),
    (sa.ARRAY(sa.Text()), '{a,"b c",NULL,"NULL"}', '["a","b c",null,"NULL"]'),
    (sa.Enum("a", "b"), "a", "a"),
]


@pytest.mark.parametrize(("type_", "text", "value"), VALUES)
def test_values(type_: sa.types.TypeEngine[Any], text: str, value: Any) -> None:
    """What PostgreSQL reads, in the form in which it prints it in JSON."""
    assert value == coerce(text, type_)


OUT_OF_RANGE = ("22003", "out of range for type")
REFUSED: list[tuple[sa.types.TypeEngine[Any], str, str, str]] = [
    *((BOOLEAN, text, "22P02", "syntax for type boolean") for text in ("o", "2", "", "truex")),
    *((SMALL, text, *OUT_OF_RANGE) for text in ("32768", "-32769")),
    *((INTEGER, text, *OUT_OF_RANGE) for text in ("2147483648", "-2147483649")),
    *((BIG, text, *OUT_OF_RANGE) for text in ("9223372036854775808", "-9223372036854775809", "9" * 20, "9" * 5000)),
    *((INTEGER, text, "22P02", "syntax for type integer") for text in ("1.0", "", "1e3", "a", "--1", "1_000")),
    *((FLOAT, text, *OUT_OF_RANGE) for text in ("1e400", "-1e400", "1e-400", "0.01e-400")),
    *((FLOAT, text, "22P02", "syntax for type double precision") for text in ("x", "", "0x1", "1_0", "nano")),
    *((NUMERIC, text, "22P02", "syntax for type numeric") for text in ("", ".", "1e", "e5", "1.5.2", "1 2", "--1")),
    *((NUMERIC, text, "22P02", "syntax for type numeric") for text in ("1_000", "NaN", "\u0661", "\u00a01")),
    *((NUMERIC, text, "22003", "value overflows numeric format") for text in ("1e1001", "-1e-1001", "9" * 1001)),
    *(
        (UUID, text, "22P02", "syntax for type uuid")
        for text in ("a0ee", "", ID.replace("a", "g"), f" {ID}", f"{{{ID}")
    ),
    *((UUID, text, "22P02", "syntax for type uuid") for text in (f"urn:uuid:{ID}", f"a-{ID[1:]}", f"+{ID[1:]}")),
    *((AWARE, text, "22007", "type timestamp with time zone") for text in ("x", "", "now")),
    *((AWARE, text, "22008", "field value out of range") for text in ("2024-13-01", "2024-02-30", "2024-01-01T25:00")),
    (AWARE, "0001-01-01T00:00:00+02:00", "22008", "timestamp out of range"),
    (NAIVE, "x", "22007", "syntax for type timestamp:"),
    (NAIVE, "2024-13-01", "22008", "field value out of range"),
    *((DATE, text, "22008", "field value out of range") for text in ("2024-13-01", "2024-02-30", "2024-13-01T00:00")),
    *((DATE, text, "22007", "syntax for type date") for text in ("x", "")),
    *((TIME, text, "22007", "syntax for type time:") for text in ("x", "")),
    *((JSON, text, "22P02", "syntax for type json") for text in ("", "{", "NaN", "-Infinity", "[" * 100_000)),
    *(
        (JSON, text, "22P05", "unsupported Unicode escape")
        for text in ('"\\u0000"', '{"a\\u0000":1}', '["\\\\\\u0000"]')
    ),
    *((BYTES, text, "22023", "odd number of digits") for text in ("\\xf", "\\xf f")),
    *((BYTES, text, "22023", "invalid hexadecimal digit") for text in ("\\xgg", "\\x0_", "\\x\u0661\u0661")),
    *((BYTES, text, "22P02", "syntax for type bytea") for text in ("a\\b", "\\X00", "\\400", "\\")),
    *((sa.ARRAY(INTEGER), text, "22P02", "malformed array literal") for text in ("{{1},{2,3}}", "{1,{2}}", "1")),
    (sa.ARRAY(INTEGER), "{{{1},{2}},{{3},{4,5}}}", "22P02", "malformed array literal"),
    (sa.ARRAY(INTEGER), "{a}", "22P02", "syntax for type integer"),
    (sa.ARRAY(INTEGER), "{2147483648}", *OUT_OF_RANGE),
    (sa.Enum("a", "b", name="kind"), "c", "22P02", 'input value for enum kind: "c"'),
    (sa.Text(), "a\x00", "22021", "0x00"),
]


@pytest.mark.parametrize(("type_", "text", "code", "message"), REFUSED)
def test_no_values(type_: sa.types.TypeEngine[Any], text: str, code: str, message: str) -> None:
    """With PostgreSQL's code and words."""
    with pytest.raises(PlanError) as refused:
        coerce(text, type_)
    assert (code, True) == (refused.value.code, message in refused.value.message), refused.value


NAMES: list[tuple[sa.types.TypeEngine[Any], str]] = [
    (BOOLEAN, "boolean"),
    (SMALL, "smallint"),
    (INTEGER, "integer"),
    (BIG, "bigint"),
    (FLOAT, "double precision"),
    (sa.REAL(), "real"),
    (NUMERIC, "numeric"),
    (sa.Text(), "text"),
    (sa.String(), "text"),
    (sa.String(5), "character varying"),
    (UUID, "uuid"),
    (JSON, "json"),
    (pg.JSONB(), "jsonb"),
    (BYTES, "bytea"),
    (AWARE, "timestamp with time zone"),
    (NAIVE, "timestamp without time zone"),
    (DATE, "date"),
    (TIME, "time without time zone"),
    (sa.ARRAY(INTEGER), "integer[]"),
    (sa.Enum("a", name="kind"), "enum kind"),
    (sa.Enum("a"), "enum text"),
    (pg.INT4RANGE(), "int4range"),
    (pg.TSVECTOR(), "tsvector"),
]


@pytest.mark.parametrize(("type_", "name"), NAMES, ids=[name for _, name in NAMES])
def test_names_of_types(type_: sa.types.TypeEngine[Any], name: str) -> None:
    """As PostgreSQL calls them in its messages, whatever decorates them."""

    class Decorated(sa.types.TypeDecorator[Any]):
        impl = type_
        cache_ok = True

    assert [name, name] == [type_name(type_), type_name(Decorated())]

"""Values go in and come out the same from both databases."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.api import Api

RETURN = "return=representation"


def _round(api: Api, column: str, value: Any) -> Any:
    reply = api.post(f"samples?select={column}", {"id": 10, column: value}, prefer=RETURN)
    assert 201 == reply.status, reply.body
    (row,) = reply.json
    assert [row] == api.get(f"samples?select={column}&id=eq.10").json
    return row[column]


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("flag", True, True),
        ("flag", "no", False),
        ("flag", None, None),
        ("small", -32768, -32768),
        ("whole", "42", 42),
        ("big", 2**63 - 1, 2**63 - 1),
        ("big", -(2**63), -(2**63)),
        ("real", 0.1, 0.1),
        ("real", 1e300, 1e300),
        ("real", -1.5, -1.5),
        ("real", 3, 3),
        ("money", 1, 1.00),
        ("money", 12.345, 12.35),
        ("money", -0.005, -0.01),
        ("money", "99999999.99", 99999999.99),
        ("body", "", ""),
        ("body", 'a"\\/\b\f\n\r\t\u0001\u2028é日🎈', 'a"\\/\b\f\n\r\t\u0001\u2028é日🎈'),
        ("short", "日本語日本", "日本語日本"),
        ("kind", "book", "book"),
        ("uid", "{0E37DF36-F698-11E6-8DD4-CB9CED3DF976}", "0e37df36-f698-11e6-8dd4-cb9ced3df976"),
        ("uid", "0e37df36f69811e68dd4cb9ced3df976", "0e37df36-f698-11e6-8dd4-cb9ced3df976"),
        ("day", "2024-02-29", "2024-02-29"),
        ("day", "0001-01-01", "0001-01-01"),
        ("clock", "23:59", "23:59:00"),
        ("clock", "01:02:03.040500", "01:02:03.0405"),
        ("instant", "2024-01-01T02:00:00.50+02:00", "2024-01-01T00:00:00.5+00:00"),
        ("instant", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00+00:00"),
        ("instant", "2024-01-01", "2024-01-01T00:00:00+00:00"),
        ("wall", "2024-01-01T12:00:00.123456", "2024-01-01T12:00:00.123456"),
        ("wall", "2024-01-01 12:00", "2024-01-01T12:00:00"),
        ("data", {"b": 1, "a": [True, None, "x", 1.5, {}]}, {"b": 1, "a": [True, None, "x", 1.5, {}]}),
        ("data", "text", "text"),
        ("data", 5, 5),
        ("data", False, False),
        ("data", [], []),
        ("blob", "\\x00ff", "\\x00ff"),
        ("blob", "\\x", "\\x"),
        ("words", ["a", "", None, "NULL", '"', "{}", ",", "日"], ["a", "", None, "NULL", '"', "{}", ",", "日"]),
        ("words", "{a,b}", ["a", "b"]),
        ("words", [], []),
        ("numbers", [1, None, -3], [1, None, -3]),
        ("numbers", "{1,2}", [1, 2]),
    ],
)
def test_round_trip(api: Api, column: str, value: Any, shown: Any) -> None:
    """What is written is what is read, in PostgreSQL's form."""
    found = _round(api, column, value)
    assert shown == found
    assert type(shown) is type(found) or {type(shown), type(found)} <= {int, float}


@pytest.mark.parametrize("text", ["12345678901234567890.12345678", "0.1", "-0.000000001", "100", "1.10", "0", "1e30"])
def test_exact_decimals(api: Api, text: str) -> None:
    """SQ: an unbounded decimal keeps every digit, as a JSON number."""
    body = b'{"id":10,"exact":' + text.encode() + b"}"
    reply = api.send("POST", "samples?select=exact", body=body, content_type="application/json", prefer=RETURN)
    expanded = "1" + "0" * 30 if text == "1e30" else text
    assert f'[{{"exact":{expanded}}}]' == reply.body.decode().replace(" ", "")
    assert [10] == api.get(f"samples?select=id&exact=eq.{text}").ids


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_special_floats(api: Api, number: str) -> None:
    """What JSON has no number for is text on PostgreSQL, and refused on SQLite, which would make NaN a null."""
    if api.name == "postgresql":
        assert number == _round(api, "real", number)
        return
    for reply in (api.post("samples", {"id": 10, "real": number}), api.patch("samples?id=eq.1", {"real": number})):
        assert (400, "PGRST127") == (reply.status, reply.code)


@pytest.mark.parametrize(
    ("select", "query", "expected"),
    [
        ("body::int", "id=eq.1", "22P02"),
        ("whole::uuid", "id=eq.1", "42846"),
        ("flag::int", "id=eq.1", [{"flag": 1}]),
        ("flag::bigint", "id=eq.1", "42846"),
        ("whole::bool", "id=eq.1", [{"whole": True}]),
        ("big::int", "id=eq.1", "22003"),
        ("data->a->0::int", "id=eq.1", [{"a": 1}]),
        ("data->ü::numeric", "id=eq.1", [{"ü": 1.5}]),
        ("data->a::int", "id=eq.1", "22023"),
        ("day::timestamptz", "id=eq.1", [{"day": "2024-02-29T00:00:00+00:00"}]),
        ("instant::date", "id=eq.1", [{"instant": "2024-03-01"}]),
        ("instant::time", "id=eq.1", [{"instant": "12:30:00.25"}]),
        ("instant::timestamp", "id=eq.1", [{"instant": "2024-03-01T12:30:00.25"}]),
        ("wall::timestamptz", "id=eq.1", [{"wall": "2024-03-01T12:30:00+00:00"}]),
        ("real::int", "id=eq.1", [{"real": 2}]),
        ("money::int", "id=eq.1", [{"money": 13}]),
        ("exact::int", "id=eq.1", "22003"),
        ("*,n:whole::text", "id=eq.77", []),
    ],
)
def test_casts(api: Api, select: str, query: str, expected: Any) -> None:
    """Explicit casts are PostgreSQL's: what it refuses is refused, and halves are rounded as it rounds them."""
    reply = api.get(f"samples?select={select}&{query}")
    assert expected == (reply.json if reply.status == 200 else reply.code), reply.body


def test_money_has_its_scale(api: Api) -> None:
    """A decimal of scale 2 shows two digits, also when they are zeros."""
    for number, shown in ((1, "1.00"), (1.5, "1.50"), (0, "0.00"), (-7, "-7.00")):
        api.clean()
        api.post("samples", {"id": 10, "money": number})
        assert f'[{{"money":{shown}}}]' == api.get("samples?select=money&id=eq.10").body.decode().replace(" ", "")


@pytest.mark.parametrize(
    "path",
    [
        "samples?order=id",
        "products?order=id",
        "people?order=id&select=*,profiles(*),countries(*),people!manager_id(*)",
        "orders?order=id&select=*,order_lines(*,products(*)),people(*)&order_lines.order=product_id",
        "samples?select=body::text,whole::text,big::text,real::text,money::text,flag::text,day::text,instant::text&id=eq.1",
        "samples?select=uid::text,kind::text,wall::text,clock::text&id=eq.1",
        "samples?select=whole::bigint,money::int,real::int,body::varchar,day::timestamp&id=eq.1",
    ],
)
def test_same_json_from_both(api: Api, path: str, answers: dict[str, Any]) -> None:
    """Both databases give the same JSON, key by key in the same order."""
    seen = [list(row.items()) for row in api.rows(path)]
    assert answers.setdefault(path, seen) == seen


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """What the first database answered, for the second to be compared with."""
    return {}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("flag", "eq.true"),
        ("small", "eq.-5"),
        ("whole", "gte.42"),
        ("big", "eq.9007199254740993"),
        ("real", "eq.1.5"),
        ("money", "eq.12.5"),
        ("exact", "eq.12345678901234567890.1234567890"),
        ("exact", "gt.12345678901234567890.12345678"),
        ("uid", "eq.0E37DF36-F698-11E6-8DD4-CB9CED3DF976"),
        ("day", "eq.2024-02-29"),
        ("clock", "gt.23:59:59"),
        ("instant", "eq.2024-03-01T14:30:00.250%2B02:00"),
        ("instant", "lt.2024-03-01T12:30:01Z"),
        ("wall", "eq.2024-03-01 12:30"),
        ("blob", "eq.\\x00ff616263"),
        ("data", 'eq.{"ü":1.50,"a":[1,{"b":null}]}'),
        ("data->a->0", "eq.1.0"),
        ("words", 'eq.{"a","b c","q\\""}'),
        ("numbers", "cs.{2}"),
        ("numbers", "eq.{1,2}"),
        ("kind", "gt.tool"),
    ],
)
def test_filters_find_what_is_stored(api: Api, column: str, value: str) -> None:
    """Every type is compared by value, however it is written."""
    reply = api.get(f"samples?select=id&{column}={value}")
    assert [1] == reply.ids, reply.body

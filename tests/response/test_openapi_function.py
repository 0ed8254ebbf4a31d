"""Functions as path items."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import pydantic
import pytest

from backstay.catalog import Function, function
from backstay.response.openapi import About
from backstay.response.openapi.function import function_path
from tests.http import zoo

ABOUT = About()


class Side(pydantic.BaseModel):
    length: int


class Box(pydantic.BaseModel):
    """A box."""

    sides: list[Side]


@dataclass
class Pair:
    left: Decimal


def described(item: Function) -> tuple[dict[str, Any], dict[str, Any]]:
    return function_path(item, None, ABOUT)


def body(item: Function) -> dict[str, Any]:
    schema: dict[str, Any] = described(item)[0]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return schema


def result(item: Function) -> Any:
    return described(item)[0]["post"]["responses"]["200"]["content"]["application/json"]["schema"]


def test_arguments_are_the_signature() -> None:
    """Names, types and defaults; what the server gives it itself is no argument."""
    assert {
        "type": "object",
        "properties": {
            "animal": {"type": "integer"},
            "meals": {"type": "array", "items": {"$ref": "#/components/schemas/Meal.argument"}},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        },
        "additionalProperties": False,
        "required": ["animal", "meals"],
    } == body(zoo.feed)


def test_types_are_described_for_each_way() -> None:
    """A decimal may be sent as text, and comes back as a number; names of components say which way they go."""
    item, components = described(zoo.feed)
    kilos = components["Meal.argument"]["properties"]["kilos"]
    assert {"type": ["number", "string"], "description": 'Left out, it is `"1"`.'} == kilos
    assert {"type": "number"} == components["Bill.result"]["properties"]["total"]
    assert ["food"] == components["Meal.argument"]["required"]
    assert {"$ref": "#/components/schemas/Bill.result"} == result(zoo.feed)
    assert ["post"] == list(item)


def test_docstring_is_summary_and_description() -> None:
    """The first line and the rest."""
    operation = described(zoo.feed)[0]["post"]
    assert ("Feed one animal.", "The bill is for nobody.") == (operation["summary"], operation["description"])


def test_read_only_functions_have_get() -> None:
    """Their arguments are parameters, arrays among them as text."""
    item, _ = described(zoo.census)
    assert ["get", "post"] == list(item)
    assert ["get_census", "call_census"] == [operation["operationId"] for operation in item.values()]
    arguments = [p for p in item["get"]["parameters"] if "$ref" not in p]
    assert [("tags", "string"), ("least", "integer")] == [(p["name"], p["schema"]["type"]) for p in arguments]
    assert [False, False] == [p["required"] for p in arguments]


def test_optional_arguments_in_a_query_string() -> None:
    """A query string cannot say null: the parameter is simply not required."""

    @function(read_only=True)
    def find(near: int | None = None, what: int | str = 1) -> bool: ...

    parameters = [p for p in described(find)[0]["get"]["parameters"] if "$ref" not in p]
    assert [("integer", False), ("string", False)] == [(p["schema"]["type"], p["required"]) for p in parameters]


def test_nothing_is_204() -> None:
    """A function that returns nothing has no body to describe."""
    assert ["204", "400", "401", "404", "default"] == list(described(zoo.wave)[0]["post"]["responses"])


def test_rows_that_the_caller_may_not_read_are_not_described() -> None:
    """Without a read policy on the model its name and columns stay hidden (AC12)."""
    assert {"type": "array", "items": {"type": "object"}} == result(zoo.tamest)
    assert "animals" not in str(described(zoo.tamest))


def test_other_types() -> None:
    """Bounds of annotations, and pydantic models."""

    @function
    def odd(amount: Annotated[int, msgspec.Meta(ge=1)], box: Box, free: Any, pair: Pair | None = None) -> list[Box]: ...

    properties = body(odd)["properties"]
    assert {"type": "integer", "minimum": 1} == properties["amount"]
    assert {} == properties["free"]
    assert "object" == properties["box"]["type"]
    assert ["amount", "box", "free"] == body(odd)["required"]
    assert {"$ref": "#/components/schemas/Side.argument"} == properties["box"]["properties"]["sides"]["items"]
    assert "A box." == result(odd)["items"]["description"]
    assert {"Pair.argument", "Side.argument", "Side.result"} == set(described(odd)[1])


@pytest.mark.parametrize("default", [Decimal("1.5"), object()])
def test_defaults_that_json_cannot_say(default: Any) -> None:
    """A default is told where JSON can say it, and is otherwise only known to exist."""

    @function
    def shape(size: Any = default) -> None: ...

    schema = body(shape)
    assert "required" not in schema
    assert schema["properties"]["size"] in ({"default": "1.5"}, {})

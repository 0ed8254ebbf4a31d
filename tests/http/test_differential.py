"""SQLite and PostgreSQL give the same answers: the same status, the same JSON, the same range."""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.http.api import Api, Reply, opened, quick_folder
from tests.http.asking import Request, Shape, Shapes, ordered, read, write
from tests.http.shop_app import ROWS, shop

EXAMPLES = int(os.environ.get("BACKSTAY_EXAMPLES", "60"))

SHAPES: Shapes = {
    "samples": Shape(
        {
            "id": "int",
            "flag": "bool",
            "small": "int",
            "whole": "int",
            "big": "int",
            "real": "float",
            "money": "numeric",
            "exact": "numeric",
            "body": "text",
            "short": "text",
            "kind": "enum",
            "uid": "uuid",
            "day": "date",
            "instant": "instant",
            "data": "json",
            "words": "array",
        }
    ),
    "products": Shape(
        {
            "id": "int",
            "name": "text",
            "price": "numeric",
            "cost": "int",
            "stock": "int",
            "active": "bool",
            "kind": "enum",
            "tags": "array",
            "details": "json",
            "added": "date",
        },
        to_many={"categories": ("categories", "categories"), "order_lines": ("order_lines", "order_lines")},
    ),
    "categories": Shape(
        {"id": "int", "name": "text", "parent_id": "int"},
        to_one={"parent": ("parent:parent_id", "categories")},
        to_many={"categories": ("categories", "categories"), "products": ("products", "products")},
    ),
    "people": Shape(
        {"id": "int", "name": "text", "email": "text", "salary": "int", "manager_id": "int", "country_code": "text"},
        to_one={"countries": ("countries", "countries"), "profiles": ("profiles", "profiles")},
        to_many={"people": ("people!manager_id", "people")},
    ),
    "countries": Shape({"code": "text", "name": "text"}, key=("code",), to_many={"people": ("people", "people")}),
    "profiles": Shape(
        {"person_id": "int", "bio": "text", "prefs": "json"},
        key=("person_id",),
        to_one={"people": ("people", "people")},
    ),
    "order_lines": Shape(
        {"order_id": "uuid", "product_id": "int", "quantity": "int"},
        key=("order_id", "product_id"),
        to_one={"products": ("products", "products")},
    ),
}
WRITABLE = ("samples", "categories", "products")


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Api, Api]]:
    """The same shop on both databases."""
    with (
        quick_folder() as folder,
        opened("sqlite", folder, shop, ROWS, "pair") as one,
        opened("postgresql", folder, shop, ROWS, "pair") as other,
    ):
        yield one, other


def _told(reply: Reply) -> Any:
    if reply.status >= 400 or not reply.body:
        # The words of an error may be the database's own; its code is the contract.
        return reply.status, reply.code, reply.range
    return reply.status, ordered(reply.json), reply.range, reply.one("preference-applied"), reply.one("location")


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="BACKSTAY_EXAMPLES" not in os.environ,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 2**32))
def test_both_databases_answer_alike(pair: tuple[Api, Api], seed: int) -> None:
    """Random reads and writes over the portable types: one answer, two databases."""
    r = Random(seed)
    who = r.choice([None, "ann", "dee", "svc"])
    requests = [read(r, SHAPES) for _ in range(8)] + [write(r, SHAPES, tables=WRITABLE) for _ in range(2)]
    requests += [Request("GET", f"{table}?order=id") for table in WRITABLE]
    for request in requests:
        one, other = (
            api._write(request.method, request.path, request.value, {"as_": who, **request.named()}) for api in pair
        )
        asked = f"{request.method} {request.path} {request.value} {request.prefer} as {who}"
        assert other.status < 500, f"{asked}: {other.body!r}"
        assert _told(other) == _told(one), f"{asked}\n{other.body!r}\n{one.body!r}"
    for api in pair:
        api.clean()

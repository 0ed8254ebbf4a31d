"""The description of the accounts API: whole, valid, and true for whatever a fuzzer makes of it."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode

from backstay.auth.openapi import describe
from backstay.auth.refusal import AUTH_STATUS
from backstay.auth.routes import ROUTES
from tests.accounts.house import House
from tests.accounts.staff import hire, service

#: One run is like the other.
SEED = 20261121
EXAMPLES = int(os.environ.get("BACKSTAY_TEST_EXAMPLES", "3"))


def test_every_route_is_described() -> None:
    """RB1: the document is made of the router's rows, is valid OpenAPI 3.1, and says who may what."""
    document = json.loads(json.dumps(describe(ROUTES, "https://api.example.org/auth/v1")))
    OpenAPIV31SpecValidator(document).validate()
    described = {(method.upper(), path[1:]) for path, item in document["paths"].items() for method in item}
    assert {(route.method, route.path) for route in ROUTES} == described
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    assert len(operations) == len({operation["operationId"] for operation in operations})
    for route in ROUTES:
        operation = document["paths"][f"/{route.path}"][route.method.lower()]
        assert (route.permission != "") == ("description" in operation), route.path
        assert route.permission in operation.get("description", "")
        assert (route.body is not None) == ("requestBody" in operation), route.path
        assert (bool(route.query) or "{" in route.path) == ("parameters" in operation), route.path
        answer = operation["responses"][str(route.status)]
        assert (route.status == 303, route.status not in (204, 303)) == ("headers" in answer, "content" in answer)
    assert [] == document["paths"]["/signup"]["post"]["security"]


def test_descriptions_are_markdown() -> None:
    """What a class says of itself marks names as reStructuredText does; a reader of the document has Markdown."""
    text = json.dumps(describe(ROUTES, "https://api.example.org/auth/v1"))
    assert (True, False) == ("Body of `POST /signup`." in text, "``" in text)


@pytest.mark.settings(rate_limits="off")
def test_no_request_breaks_it(house: House) -> None:
    """Whatever the description allows, or nearly allows, is answered with less than 500 and with a status it names."""
    document = house.get("openapi.json").json
    # What nearly is a request ends before the database; what is one gets into it, and PostgreSQL is the stricter.
    if house.kind == "sqlite":
        mode, caller = GenerationMode.NEGATIVE, hire(house, "boss@example.org")["access_token"]
    else:
        mode, caller = GenerationMode.POSITIVE, service(house)
    seen: set[str] = set()
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        seen.add(operation.path)
        # An operation without parameters or body has nothing that could be wrong.
        with contextlib.suppress(Unsatisfiable):
            fuzz(house, operation, mode, caller)
    assert len(document["paths"]) == len(seen)


def fuzz(house: House, operation: Any, mode: GenerationMode, caller: str) -> None:
    """Send examples of *operation* as *caller*."""
    statuses = {int(status) for status in operation.definition.raw["responses"]}

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES if mode is GenerationMode.POSITIVE else (EXAMPLES + 1) // 2,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answered(case: Any) -> None:
        path = case.formatted_path.lstrip("/")
        if case.query:
            path += "?" + urlencode({name: str(value) for name, value in case.query.items()}, errors="replace")
        body = None
        if operation.body:
            with contextlib.suppress(TypeError, ValueError):
                body = json.dumps(case.body).encode("utf-8", "replace")
        reply = house.send(case.method.upper(), path, body, as_=caller)
        assert reply.status < 500, (case.method, path, body, reply.body)
        assert reply.status in statuses, (case.method, path, reply.status)
        if reply.status >= 400:
            assert AUTH_STATUS[reply.json["code"]] == reply.status

    answered()

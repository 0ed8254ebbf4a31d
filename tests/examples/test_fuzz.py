"""Chirp's own description of itself, given to a validator and to a fuzzer that nobody here wrote."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from examples.chirp.seed import named
from tests.examples.running import get, new_database, running, token

USER = named("profile", 0)
#: One run is like the other: a fuzzer that finds something on Tuesdays only is a flaky test.
SEED = 20261121


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp(f"fuzz-{request.param}")
    with new_database(request.param, folder) as database, running(database, folder / "server.log") as chirp:
        yield chirp.url


def headers() -> dict[str, str]:
    return {"apikey": token("anon"), "Authorization": f"Bearer {token('authenticated', str(USER))}"}


@pytest.fixture(scope="module")
def described(url: str) -> Any:
    return schemathesis.openapi.from_url(f"{url}/openapi.json", headers=headers())


def _fuzz(operation: Any, mode: GenerationMode) -> None:
    """Fifteen requests that are as described, or (*mode*) that are not."""
    checks: list[Any] = [not_a_server_error]
    if mode is GenerationMode.POSITIVE:
        checks.append(status_code_conformance)
        # A write has a body only on request, which OpenAPI cannot say.
        if operation.method == "get":
            checks.append(response_schema_conformance)

    @seed(SEED)
    @settings(
        max_examples=15,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answered(case: schemathesis.Case[Any]) -> None:
        case.validate_response(case.call(headers=headers(), timeout=60), checks=checks)

    # An operation without parameters or body has nothing that could be wrong.
    with contextlib.suppress(Unsatisfiable):
        answered()


def test_no_input_breaks_it(described: Any) -> None:
    """Whatever is sent, no operation answers 5xx; what the description allows is answered as described."""
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) > 10
    for operation in operations:
        for mode in GenerationMode:
            _fuzz(operation, mode)


@pytest.mark.parametrize("who", ["anon", "user", "service_role"])
def test_description_is_valid(who: str, url: str) -> None:
    """An independent validator finds nothing wrong with the description that each caller gets."""
    sent = headers() if who == "user" else {"Authorization": f"Bearer {token(who)}"}
    described = json.loads(get(f"{url}/openapi.json", **sent))
    assert [] == [error.message for error in OpenAPIV31SpecValidator(described).iter_errors()]


def test_description_shows_what_the_caller_may_do(url: str) -> None:
    """Tables, columns and verbs that a caller may not use are not described to it."""
    for path in ("/openapi.json", "/rest/v1/"):
        anon = get(f"{url}{path}", Authorization=f"Bearer {token('anon')}").decode()
        user = get(f"{url}{path}", **headers()).decode()
        assert ("follows" in anon, "follows" in user) == (False, True)
        assert ("email" in anon, "email" in user) == (False, True)
        verbs = {verb for name, item in json.loads(anon)["paths"].items() if "posts" in name for verb in item}
        assert not verbs & {"post", "patch", "delete", "put"}

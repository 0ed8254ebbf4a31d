"""The app's own description, given to a fuzzer that nobody here wrote: no input makes the server fail.

Two kinds of run: the stock command as it comes, and its generator with values that mean something, so that requests
get past the parser and as far as the database.  BACKSTAY_TEST_EXAMPLES=100 looks longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_headers_conformance, status_code_conformance

from tests.examples.running import new_database, serving, token
from tests.http.zoo import OWNER, plant

#: The command that was installed beside the Python that runs the tests.
COMMAND = str(Path(sys.executable).with_name("schemathesis"))
#: One run is like the other: a fuzzer that finds something on Tuesdays only is a flaky test.
SEED = 20261121
#: Valid and as many invalid examples of each operation; the whole file stays within a minute.
EXAMPLES = int(os.environ.get("BACKSTAY_TEST_EXAMPLES", "4"))

CREDENTIALS = frozenset(("authorization", "apikey"))
CALLERS = {
    "anonymous": {},
    "user": {"Authorization": f"Bearer {token('authenticated', str(OWNER))}"},
    "service": {"apikey": token("service_role")},
}


@contextlib.contextmanager
def zoo_on(kind: str, folder: Path) -> Iterator[str]:
    """Where the app listens, on a database of this kind."""
    with new_database(kind, folder) as database:
        asyncio.run(plant(database))
        with serving(database, folder / "server.log", app="tests.http.zoo:app") as zoo:
            yield zoo.url


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with zoo_on("sqlite", tmp_path_factory.mktemp("sqlite")) as url:
        yield url


@pytest.fixture(scope="module")
def on_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with zoo_on("postgresql", tmp_path_factory.mktemp("postgresql")) as url:
        yield url


@dataclass(frozen=True)
class Words:
    """What a document names: columns by path, relations, and values of every kind."""

    columns: dict[str, list[str]]

    @classmethod
    def of(cls, document: dict[str, Any]) -> Words:
        found: dict[str, list[str]] = {}
        parameters = document["components"]["parameters"]
        for path, item in document["paths"].items():
            names = [p["$ref"].rpartition("/")[2] for p in item.get("get", {}).get("parameters", ()) if "$ref" in p]
            found[path] = [parameters[n]["name"] for n in names if n.startswith("rowFilter.")]
        return cls(found)


VALUES = st.one_of(
    st.sampled_from(
        (
            *("", "*", "0", "1", "-1", "1.5", "99999999999999999999", "1e400", "nan", "true", "null", "{}", "{a,b}"),
            *("{1,2}", '{"a":[1]}', "[]", str(OWNER), "2024-02-29", "2024-02-29T01:02:03+02", "0001-01-01T00:00:00+14"),
            *("08:30", "\\x00ff", "(", "%", "_a*", "a|b & c", "'", '"', "[1,2)", "é\U0001f600", "A" * 300),
        )
    ),
    st.text(max_size=8),
    st.integers().map(str),
)
FILTERS = st.builds(
    str.__add__,
    st.sampled_from(("", "not.")),
    st.one_of(
        st.builds(
            "{}.{}".format,
            st.sampled_from(
                [
                    "eq",
                    "neq",
                    "gt",
                    "gte",
                    "lt",
                    "lte",
                    "like",
                    "ilike",
                    "match",
                    "imatch",
                    "isdistinct",
                    "cs",
                    "cd",
                    "ov",
                    "sl",
                    "adj",
                    "fts",
                    "plfts",
                    "wfts",
                ]
            ),
            VALUES,
        ),
        st.builds("in.({})".format, st.lists(VALUES, max_size=3).map(",".join)),
        st.builds("{}(any).{}".format, st.sampled_from(("eq", "like", "gt", "match")), st.just("{1,a,2024-01-01}")),
        st.sampled_from(("is.null", "is.true", "is.not_null", "is.unknown")),
    ),
)


def grammar(columns: list[str]) -> dict[str, st.SearchStrategy[str]]:
    """Strategies for the parameters that are sentences about columns."""
    column = st.sampled_from(columns or ["id"])
    path = st.builds(str.__add__, column, st.sampled_from(("", "", "", "->a", "->>a", "->0->>b", "->-1")))
    item = st.builds(
        "{}{}{}".format,
        st.sampled_from(("", "", "key:")),
        path,
        st.sampled_from(("", "", "::text", "::int", "::bool", "::json", ".count()", ".sum()")),
    )
    related = st.sampled_from(("keepers(*)", "keeper(name)", "keepers!inner(id)", "...keepers(n:name)", "animals(id)"))
    condition = st.builds("{}.{}".format, path, FILTERS)
    tree = st.lists(condition, min_size=1, max_size=3).map(",".join)
    names = st.lists(column, min_size=1, max_size=2, unique=True).map(",".join)
    return {
        "select": st.lists(st.one_of(item, related, st.just("*")), max_size=3).map(",".join),
        "order": st.builds(str.__add__, path, st.sampled_from(("", ".asc", ".desc.nullsfirst", ".nullslast"))),
        "or": st.builds("({})".format, tree),
        "and": st.builds("(not.or({}))".format, tree),
        "columns": names,
        "on_conflict": names,
    }


@st.composite
def meaningful(draw: st.DrawFn, operation: Any, mode: GenerationMode, columns: list[str]) -> schemathesis.Case:
    """A case of *operation* with a few parameters, and most of those as somebody would write them."""
    case: schemathesis.Case = draw(operation.as_strategy(generation_mode=mode))
    sentences = grammar(columns)
    query: dict[str, Any] = {}
    possible = sorted(parameter.name for parameter in operation.query)
    for name in draw(st.lists(st.sampled_from(possible), max_size=3, unique=True)) if possible else ():
        if name in sentences:
            query[name] = draw(sentences[name])
        elif name in columns:
            query[name] = draw(FILTERS)
        elif name in case.query:
            query[name] = case.query[name]
    case.query = query
    # Invented credentials end at the token check, and nothing behind it would be reached.
    case.headers = {name: value for name, value in case.headers.items() if name.lower() not in CREDENTIALS}
    return case


@pytest.mark.parametrize(
    ("server", "who"),
    [("on_sqlite", "anonymous"), ("on_sqlite", "user"), ("on_sqlite", "service"), ("on_postgresql", "service")],
)
def test_no_request_breaks_it(server: str, who: str, request: pytest.FixtureRequest) -> None:
    """Whatever the description allows, or nearly allows, is answered with less than 500 and as described."""
    url = request.getfixturevalue(server)
    headers = CALLERS[who]
    described = schemathesis.openapi.from_url(f"{url}/openapi.json", headers=headers)
    words = Words.of(described.raw_schema)
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) > 5
    for operation in operations:
        columns = words.columns.get(operation.path, [])
        for mode in GenerationMode:

            @seed(SEED)
            @settings(
                max_examples=EXAMPLES if server == "on_sqlite" else (EXAMPLES + 1) // 2,
                database=None,
                deadline=None,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=meaningful(operation, mode, columns))
            def answered(case: schemathesis.Case) -> None:
                answer = case.call(headers=headers, timeout=60)
                checks = [not_a_server_error, status_code_conformance, response_headers_conformance]
                case.validate_response(answer, checks=checks)
                if answer.status_code >= 400 and answer.content:
                    assert {"code", "message", "details", "hint"} == set(json.loads(answer.content))

            # An operation without parameters or body has nothing that could be wrong.
            with contextlib.suppress(Unsatisfiable):
                answered()


def test_the_stock_command_finds_nothing(on_sqlite: str, tmp_path: Path) -> None:
    """Schemathesis as it comes: its examples, and its systematic coverage of every bound in the description."""
    command = [COMMAND, "run", f"{on_sqlite}/openapi.json", "--phases=examples,coverage", "--generation-deterministic"]
    command += ["--checks=not_a_server_error,status_code_conformance,response_headers_conformance", "--no-color"]
    for name, value in CALLERS["user"].items():
        command += ["-H", f"{name}: {value}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280)
    assert 0 == done.returncode, done.stdout[-6000:] + done.stderr[-2000:]

"""Whatever comes for items, tags, keys, cursors, batches and nested rows is answered, never with a 5xx (T-500)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.http.api import Api

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
WORDS = st.sampled_from(
    [
        "notes",
        "marks",
        "folders",
        "counters",
        "nope",
        "batch",
        "rpc/add",
        "1",
        "1,1",
        "hits",
        "*",
        '"1"',
        "0.id",
        "1-ab",
    ]
)
ANY = st.one_of(TEXT, WORDS)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 2**70), st.floats(allow_nan=False, allow_infinity=False), ANY),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(st.sampled_from(["id", "owner_id", "title", "marks", "folder", "notes", "$ref", "number"]), TEXT),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=10,
)
OPERATION = st.fixed_dictionaries(
    {"path": ANY},
    optional={
        "method": st.sampled_from(["GET", "POST", "PATCH", "PUT", "DELETE", "X"]),
        "query": st.one_of(ANY, st.dictionaries(ANY, ANY, max_size=2)),
        "headers": st.dictionaries(st.sampled_from(["prefer", "if-match", "accept", "cookie"]), ANY, max_size=2),
        "body": JSON,
    },
)
BUDGET = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def header(text: str) -> str:
    """As a client library would send it: one line of ASCII."""
    return "".join(c for c in text if " " <= c <= "~")


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"]),
    parts=st.lists(ANY, min_size=1, max_size=3),
    headers=st.dictionaries(
        st.sampled_from(["if-match", "if-none-match", "idempotency-key", "prefer"]), ANY, max_size=2
    ),
    cursor=st.none() | ANY,
    body=JSON,
)
@BUDGET
def test_requests_are_answered(
    notes: Api, method: str, parts: list[str], headers: dict[str, str], cursor: str | None, body: Any
) -> None:
    """Any path, precondition, key and cursor."""
    path = "/".join(quote(part, safe=",") for part in parts)
    if cursor is not None:
        path += "?cursor=" + quote(cursor, safe="")
    sent = {name: header(value) for name, value in headers.items()}
    data = json.dumps(body).encode() if method in ("POST", "PATCH", "PUT") else b""
    for who in ("ann", None):
        reply = notes.send(method, path, as_=who, body=data, headers={**sent, "content-type": "application/json"})
        assert reply.status < 500, reply.body


@given(operations=st.lists(OPERATION, max_size=4))
@BUDGET
def test_batches_are_answered(notes: Api, operations: list[Any]) -> None:
    """Any list of operations, and what they did is all or nothing."""
    reply = notes.post("batch", operations, as_="ann")
    assert reply.status < 500, reply.body
    assert reply.status != 200 or [each["status"] < 400 for each in reply.json] == [True] * len(operations)


@given(table=st.sampled_from(["notes", "folders", "marks"]), body=JSON)
@BUDGET
def test_nested_rows_are_answered(notes: Api, table: str, body: Any) -> None:
    """Any tree of rows."""
    assert notes.post(table, body, as_="ann", prefer="return=representation").status < 500

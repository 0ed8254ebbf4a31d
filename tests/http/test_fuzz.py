"""T-500: 20,000 random and mutated requests, and not one answer of 500 or more (``BACKSTAY_FUZZ`` for more)."""

from __future__ import annotations

import json
import os
from random import Random

import pytest

from tests.http.api import Api
from tests.http.asking import Request, read, write
from tests.http.test_differential import SHAPES, WRITABLE

REQUESTS = int(os.environ.get("BACKSTAY_FUZZ", "20000"))
#: PostgreSQL prepares each new statement, so it has a smaller part.
SHARES = {"sqlite": 0.8, "postgresql": 0.2}

NASTY = [
    *'"\'\\%_*()[]{}.,:;!&=+-><|~^$#@ /?\t\n',
    "%00",
    "%FF",
    "%",
    "\ud7ff",
    "ß",
    "\u202e",
    "🎈",
    "..",
    "->>",
    "->",
    "::",
    "not.",
    "eq.",
    "in.(",
    "is.",
    "and(",
    "or=",
    "count()",
    ".sum()",
    "...",
    "!inner",
    "null",
    "NaN",
    "1e999",
    "9" * 30,
    "-0",
    "0x1F",
    "--",
    "/*",
    "';drop table samples;--",
    "$1",
    "?",
    "select",
    "limit=",
    "offset=",
    "order=",
    "columns=",
    "on_conflict=",
    "a" * 300,
]  # fmt: skip
BODIES = [
    "[]",
    "{}",
    "[{}]",
    "null",
    '{"id":[]}',
    '{"id":{}}',
    '{"data":{"a":[[[[]]]]}}',
    '{"words":"{a"}',
    '{"words":[["a"],["b"]]}',
    '{"numbers":[[1,2],[3]]}',
    '{"blob":"\\\\x0"}',
    '{"instant":"infinity"}',
    '{"instant":"24:00"}',
    '{"day":"-infinity"}',
    '{"day":"0000-00-00"}',
    '{"wall":"9999-12-31T23:59:59.9999999"}',
    '{"clock":"24:00:00"}',
    '{"exact":"1e2000"}',
    '{"exact":1e-999}',
    '{"money":"NaN"}',
    '{"real":"1e-999"}',
    '{"big":1.0}',
    '{"uid":""}',
    '{"kind":""}',
    '{"flag":""}',
    '{"":1}',
    '{"id":1,"body":"\\ud800"}',
    '{"body":"\\u0000"}',
    "id,body\n1,2",
    "id=1&body=2",
]  # fmt: skip
HEADERS = [
    {},
    {"prefer": "return=representation"},
    {"prefer": "return=representation, resolution=merge-duplicates, missing=default"},
    {"prefer": "count=exact, handling=strict, max-affected=1"},
    {"prefer": ",,=;;\"'", "accept": ";;,"},
    {"accept": "application/vnd.pgrst.object+json"},
    {"accept": "application/vnd.pgrst.object+json;nulls=stripped"},
    {"range": "0-", "range-unit": "items"},
    {"range": "99999999999999999999-1"},
    {"content-type": "text/csv"},
    {"content-type": "application/x-www-form-urlencoded"},
    {"accept-profile": "x"},
]


def _mutated(r: Random, text: str) -> str:
    for _ in range(r.choice([0, 0, 1, 1, 2, 4])):
        at = r.randint(0, len(text))
        match r.randrange(4):
            case 0:
                text = text[:at] + r.choice(NASTY) + text[at:]
            case 1:
                text = text[:at] + text[at + r.randint(1, 4) :]
            case 2:
                other = r.randint(0, len(text))
                text = text[:at] + text[min(at, other) : max(at, other)] + text[at:]
            case _:
                text = text.replace(r.choice(["eq", ".", ",", "(", ")", "id"]), r.choice(NASTY), 1)
    return text


def _asked(r: Random) -> tuple[Request, bytes]:
    if r.random() < 0.1:
        name = r.choice(["add", "cheap", "restock", "echo", "whoami", "nope", "clear_notes"])
        query = "&".join(
            f"{r.choice(['a', 'b', 'below', 'text', 'numbers', 'flag', 'id', 'select'])}={r.choice(NASTY)}"
            for _ in range(2)
        )
        request = Request(r.choice(["GET", "POST"]), f"rpc/{name}?{query}")
        return request, r.choice([*BODIES, '{"a":1}', '{"below":5}', '{"product_id":1,"amount":99999999999}']).encode()
    if r.random() < 0.65:
        return read(r, SHAPES, nonsense=0.1), b""
    request = write(r, SHAPES, nonsense=0.15, tables=WRITABLE)
    text = r.choice(BODIES) if r.random() < 0.3 else _mutated(r, json.dumps(request.value))
    return request, text.encode("utf-8", "replace")


@pytest.mark.parametrize("seed", range(4))
def test_no_server_error(api: Api, seed: int) -> None:
    """T-500, ER2: bad input is a 4xx with a code, whatever it is."""
    r = Random(seed)
    for _ in range(int(REQUESTS * SHARES[api.name] / 4)):
        request, body = _asked(r)
        headers = r.choice(HEADERS)
        path, _, query = request.path.partition("?")
        path = f"{path}?{_mutated(r, query)}"
        reply = api.send(
            request.method,
            path,
            as_=r.choice([None, "ann", "dee", "svc"]),
            body=body if request.method in ("POST", "PATCH") else b"",
            headers=headers,
        )
        told = f"{request.method} {path} {body!r} {headers}"
        assert reply.status < 500, f"{told}\n{reply.body!r}"
        if reply.status >= 400 and reply.body:
            assert {"code", "message", "details", "hint"} == set(reply.json), told

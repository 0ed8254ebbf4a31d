"""T-500: 20,000 random and mutated requests, and not one answer of 500 or more (``BACKSTAY_FUZZ`` for more).

Each run tries others, and prints its seed; ``BACKSTAY_SEED`` repeats one.
"""

from __future__ import annotations

import json
import os
import re
from random import Random, SystemRandom

import pytest

from tests.http.api import Api
from tests.http.asking import VALUES, Request, read, write
from tests.http.test_differential import SHAPES, WRITABLE

REQUESTS = int(os.environ.get("BACKSTAY_FUZZ", "20000"))
SEED = int(os.environ.get("BACKSTAY_SEED") or SystemRandom().randrange(10**9))
#: Requests of one shape, each with other values: a new shape costs ten times as much as its values.
EACH = 5
#: PostgreSQL prepares each new statement, so it has a smaller part.
SHARES = {"sqlite": 0.8, "postgresql": 0.2}

#: Values that need no quotes anywhere.
PLAIN = [value for values in VALUES.values() for value in values if re.fullmatch(r"[\w:-]+", value)]
WORDS_OF_THE_GRAMMAR = {"any", "all", "null", "not_null", "true", "false", "unknown"}
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
    for _ in range(r.choice([0, 0, 0, 0, 0, 0, 1, 1, 2, 4])):
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
        return read(r, SHAPES, nonsense=0.03), b""
    request = write(r, SHAPES, nonsense=0.05, tables=WRITABLE)
    text = r.choice(BODIES) if r.random() < 0.3 else _mutated(r, json.dumps(request.value))
    return request, text.encode("utf-8", "replace")


def _other_values(r: Random, query: str) -> str:
    """*query* with some of the values of its filters replaced: words between separators."""

    def other(found: re.Match[str]) -> str:
        chance = r.random()
        value = r.choice(PLAIN) if chance < 0.9 else r.choice(NASTY)
        return found[0] if chance < 0.5 or found[0] in WORDS_OF_THE_GRAMMAR else value

    def changed(pair: str) -> str:
        named = pair.startswith(("select=", "columns=", "on_conflict=")) or "order=" in pair
        return pair if named else re.sub(r"(?<=[.,(])[^.,()={}]+(?=[,)}]|$)", other, pair)

    return "&".join(map(changed, query.split("&")))


@pytest.mark.parametrize("part", range(4))
def test_no_server_error(api: Api, part: int) -> None:
    """T-500, ER2: bad input is a 4xx with a code, whatever it is."""
    seed = SEED + part
    print(f"BACKSTAY_SEED={seed}")
    r = Random(seed)
    for _ in range(int(REQUESTS * SHARES[api.name] / 4 / EACH)):
        request, body = _asked(r)
        headers = r.choice(HEADERS) if r.random() < 0.5 else {}
        path, _, query = request.path.partition("?")
        query = _mutated(r, query)
        who = r.choice([None, "ann", "dee", "svc"])
        for at in range(EACH):
            path_and_query = f"{path}?{_other_values(r, query) if at else query}"
            reply = api.send(
                request.method,
                path_and_query,
                as_=who,
                body=body if request.method in ("POST", "PATCH") else b"",
                headers=headers,
            )
            told = f"{request.method} {path_and_query} {body!r} {headers} {who}"
            assert reply.status < 500, f"{told}\n{reply.body!r}"
            if reply.status >= 400 and reply.body:
                assert {"code", "message", "details", "hint"} == set(reply.json), told
        if r.random() < 0.001:
            # What is there has been deleted by and by.
            api.clean()

"""No header takes the loop, before or after authentication (S5, S7, A2, LM10): each of them, long and nasty."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import pytest

from tests.http.api import Api, opened, quick_folder
from tests.watchdog.arena import arena
from tests.watchdog.meter import LOOP_SECONDS

#: Where a header is read: (method, path, body).
DATA: Final = ("GET", "/rest/v1/wide?limit=1", b"")
ITEM: Final = ("GET", "/rest/v1/wide/1", b"")
CHANGE: Final = ("PATCH", "/rest/v1/wide/1", b'{"c1":"x"}')
WRITE: Final = ("POST", "/rest/v1/wide", b'{"id":1}')
CALL: Final = ("POST", "/rest/v1/rpc/count_all", b"{}")
ROOT: Final = ("GET", "/rest/v1/", b"")
PREFLIGHT: Final = ("OPTIONS", "/rest/v1/wide", b"")
HEALTH: Final = ("GET", "/health", b"")
ACCOUNT: Final = ("GET", "/auth/v1/user", b"")
SIGN_IN: Final = ("POST", "/auth/v1/token?grant_type=password", b'{"email":"a@example.org","password":"x"}')
CALLBACK: Final = ("GET", "/auth/v1/callback?state=x&code=y", b"")
NOWHERE: Final = ("GET", "/nowhere", b"")

READERS: Final = {
    "accept": (DATA, ITEM, WRITE, CALL, ROOT, NOWHERE),
    "accept-language": (SIGN_IN,),
    "accept-profile": (DATA, ROOT),
    "access-control-request-headers": (PREFLIGHT,),
    "apikey": (DATA, ACCOUNT),
    "authorization": (DATA, ACCOUNT),
    "content-profile": (WRITE,),
    "content-type": (WRITE, CALL, SIGN_IN),
    "cookie": (DATA, CALLBACK, NOWHERE),
    "forwarded": (DATA,),
    "host": (DATA, HEALTH, NOWHERE),
    "idempotency-key": (WRITE,),
    "if-match": (CHANGE,),
    "if-none-match": (ITEM, WRITE),
    "origin": (DATA, PREFLIGHT),
    "prefer": (DATA, WRITE, CHANGE, CALL),
    "range": (DATA,),
    "redirect_to": (SIGN_IN,),
    "referer": (DATA, SIGN_IN),
    "traceparent": (DATA,),
    "user-agent": (DATA, SIGN_IN),
    "x-client-info": (DATA,),
    "x-forwarded-for": (DATA, SIGN_IN),
    "x-request-id": (DATA,),
    "x-supabase-api-version": (SIGN_IN,),
}
ATOMS: Final = (
    *(
        "a",
        "1",
        " ",
        "\t",
        ",",
        ";",
        '"',
        "\\",
        "=",
        "/",
        "*",
        ":",
        ".",
        "-",
        "[",
        "%",
        "\xe9",
        '\\"',
        '\\",',
        '",',
        "a,",
    ),
    *('"a",', "a=", 'a="', "a;", "a=b;", "a;q=", "a/b,", "*/*;q=0.5,", "count=exact,", "1.", "1,", "::", "::1,", "W/"),
    *('W/"a",', "a-", "https://", "a.b.", "%41", " ,", ", ", "timezone=a,", "00-", '="', "\\\\", "\\0", "bytes=0-1,"),
)
BEGINNINGS: Final = ("", '"', 'a="', "Bearer ", "Bearer eyJ", "https://", "text/csv;", "0-", "10.0.0.1,")
#: Almost the whole block, and what one header that is read piece by piece may have.
LENGTHS: Final = (31_000, 4_096)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def small_arena(request: pytest.FixtureRequest) -> Iterator[Api]:
    with quick_folder() as folder, opened(request.param, folder, arena, {"wide": [{"id": 1}]}, "arena") as api:
        yield api


def nasty() -> Iterator[str]:
    for length in LENGTHS:
        for beginning in BEGINNINGS:
            for atom in ATOMS if not beginning else ATOMS[:: 3 if length > LENGTHS[1] else 1]:
                yield (beginning + atom * length)[: length - 1] + "!"


def spent(api: Api, method: str, url: str, body: bytes, name: str, value: str) -> float:
    """Seconds of the loop's thread, the least of three: what else the machine did is nobody's fault."""
    given = {"host": "api.example.org", "content-type": "application/json", "content-length": str(len(body))}
    given |= {"origin": "https://a.example", "access-control-request-method": "GET"} if method == "OPTIONS" else {}
    lines = [(key.encode(), text.encode("latin-1")) for key, text in {**given, name: value}.items()]
    least = LOOP_SECONDS
    for _ in range(3):
        began = time.thread_time()
        api.loop.run_until_complete(api.client.send(method, url, lines, [body] if body else []))
        least = min(least, time.thread_time() - began)
        if least < LOOP_SECONDS / 2:
            break
    return least


@pytest.mark.parametrize("name", sorted(READERS))
def test_no_header_takes_the_loop(small_arena: Api, name: str) -> None:
    """S5, S7, LM10, A2: whatever stands in it, as long as it may be, on every surface that looks at it."""
    for method, url, body in READERS[name]:
        for value in nasty():
            assert spent(small_arena, method, url, body, name, value) < LOOP_SECONDS, (url, value[:40], len(value))

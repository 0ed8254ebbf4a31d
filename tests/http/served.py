"""An app for real servers to serve: the kernel, real credentials and a data plane that says what it was asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import msgspec

from backstay.auth import Credentials, TokenVerifier
from backstay.errors import DatabaseError, PlanError
from backstay.http import Kernel
from backstay.pipeline import DataRequest
from backstay.response.reply import Reply
from tests.http.client import Plane, teapot

#: What streams have made, and how many are open.
STREAMS = {"chunks": 0, "open": 0}


async def counted(chunks: int) -> AsyncGenerator[bytes, None]:
    """So many chunks of 64 KiB; for a number below zero three, and then a failure."""
    STREAMS["open"] += 1
    try:
        for number in range(chunks if chunks >= 0 else 3):
            STREAMS["chunks"] = number + 1
            yield b"x" * 65_535 + b"\n"
        if chunks < 0:
            raise DatabaseError("57014", "canceling statement due to statement timeout")
    finally:
        STREAMS["open"] -= 1


async def answer(request: DataRequest) -> Reply:
    """Echo; ``bug`` crashes, ``nope`` does not exist, PATCH has nothing to say."""
    if request.path == "bug":
        raise RuntimeError("SELECT * FROM secrets")
    if request.path == "nope":
        raise PlanError("PGRST205", "Could not find the table 'public.nope' in the schema cache")
    if request.path == "stream":
        return Reply(200, ((b"content-type", b"application/x-ndjson"),), stream=counted(int(request.query)))
    if request.path == "streams":
        return Reply(200, (), msgspec.json.encode(STREAMS))
    if request.method == "PATCH":
        return Reply(204)
    said = {"path": request.path, "query": request.query.decode("latin-1"), "bytes": len(request.body)}
    body = msgspec.json.encode({**said, "prefer": request.headers.get(b"prefer", b"").decode()})
    return Reply(200, ((b"content-type", b"application/json; charset=utf-8"),), body)


app = Kernel(Plane(answer), Credentials(TokenVerifier(secret="only for the tests, only for the tests").verify), teapot)

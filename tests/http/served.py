"""An app for real servers to serve: the kernel, real credentials and a data plane that says what it was asked."""

from __future__ import annotations

import msgspec

from backstay.auth import Credentials, TokenVerifier
from backstay.errors import PlanError
from backstay.http import Kernel
from backstay.pipeline import DataRequest
from backstay.response.reply import Reply
from tests.http.client import Plane, teapot


async def answer(request: DataRequest) -> Reply:
    """Echo; ``bug`` crashes, ``nope`` does not exist, PATCH has nothing to say."""
    if request.path == "bug":
        raise RuntimeError("SELECT * FROM secrets")
    if request.path == "nope":
        raise PlanError("PGRST205", "Could not find the table 'public.nope' in the schema cache")
    if request.method == "PATCH":
        return Reply(204)
    said = {"path": request.path, "query": request.query.decode("latin-1"), "bytes": len(request.body)}
    body = msgspec.json.encode({**said, "prefer": request.headers.get(b"prefer", b"").decode()})
    return Reply(200, ((b"content-type", b"application/json; charset=utf-8"),), body)


app = Kernel(Plane(answer), Credentials(TokenVerifier(secret="only for the tests, only for the tests").verify), teapot)

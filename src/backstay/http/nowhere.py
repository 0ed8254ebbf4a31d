"""What is answered where none of our surfaces is: JSON in the shape of the surface that was meant.

Whoever writes ``/auth/v1`` without its slash, or ``/rest//v1/posts``, is answered by neither: a path has one spelling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from backstay.errors import BackstayError, RequestError
from backstay.http.auth import auth_problem
from backstay.http.problem import problem
from backstay.response.reply import Reply

#: Methods that nobody answers, not even an app beside ours: the one shows a client's own headers to a page, the other
#: asks for a tunnel (RFC 9110 §9.3.6, §9.3.8).
NEVER: Final = frozenset({"CONNECT", "TRACE"})
_USUAL: Final = "OPTIONS, GET, HEAD, POST, PUT, PATCH, DELETE"


def no_method(method: str, allow: str = _USUAL) -> RequestError:
    """The refusal of *method*, with what a path has instead."""
    return RequestError("PGRST117", f"Unsupported HTTP method: {method}", headers=(("Allow", allow),))


def told_at(path: str, error: BackstayError, asked: Mapping[bytes, bytes]) -> Reply:
    """*error* in the words of the surface that *path* means: the accounts API's, or the data API's."""
    first = path.lstrip("/").partition("/")[0]
    return auth_problem(error, asked) if first == "auth" else problem(error, None)


async def refused(request: Request, error: Exception) -> Response:
    """What Starlette says of a path or a method that it has no route for."""
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for nothing else
    if error.status_code == 405:
        # Starlette's own order is that of a set.
        fault = no_method(request.method, ", ".join(sorted(dict(error.headers or {})["Allow"].split(", "))))
    else:
        fault = RequestError(
            "PGRST125",
            "Invalid path specified in request URL",
            hint="Data is under /rest/v1/, accounts under /auth/v1/.",
        )
    path: str = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    reply = told_at(path, fault, dict(request.scope["headers"]))
    response = Response(reply.body, reply.status)
    response.raw_headers.extend((name, value) for name, value in reply.headers)
    return response


def is_spelled(raw_path: bytes, prefix: str) -> bool:
    """Whether *prefix* stands in the path as it came, with its own slashes: an encoded one is another character.

    >>> is_spelled(b"/rest/v1/posts/a%2Fb", "/rest/v1/"), is_spelled(b"/rest%2Fv1/posts", "/rest/v1/")
    (True, False)
    """
    if b"%2f" not in raw_path.lower():
        return True
    parts = prefix.rstrip("/").encode().split(b"/")
    return [unquote_to_bytes(part) for part in raw_path.split(b"/")[: len(parts)]] == parts

"""What does the HTTP kernel add to a data request, and what does a token cost the first time and afterwards?

Run it with ``python benchmarks/kernel.py``.  One core, no socket: the ASGI messages are exchanged in the process, with
a data plane that returns a ready reply, so that what is left is the kernel's own work.
"""

from __future__ import annotations

import asyncio
import platform
import secrets
import time
from importlib.metadata import version
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from backstay.auth import Credentials, TokenVerifier
from backstay.http import Kernel
from backstay.pipeline import DataRequest
from backstay.response.reply import Reply

SECRET = secrets.token_urlsafe(32)
REPLY = Reply(
    200,
    (
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-range", b"0-19/*"),
        (b"content-location", b"/posts?select=%2A"),
        (b"vary", b"Accept, Prefer, Range"),
    ),
    b"[]",
)


class Ready:
    """A data plane whose reply is ready."""

    async def answer(self, request: DataRequest) -> Reply:
        return REPLY


async def nothing(*anything: Any) -> None:
    """Take whatever comes."""


async def microseconds(kernel: Kernel, scope: dict[str, Any], count: int = 20_000) -> float:
    """The best of five rounds of *count* requests, for one."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(count):
            await kernel(scope, receive, nothing)
        best = min(best, (time.perf_counter() - begin) / count)
    return best * 1e6


async def main() -> None:
    """Print a table."""
    private = ECKey.generate_key("P-256", {"kid": "a"})
    claims = {"sub": "6f1c", "exp": int(time.time()) + 3600}
    shared = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))
    public = jwt.encode({"alg": "ES256", "kid": "a"}, claims, private)
    jwks = [private.as_dict(private=False)]

    def scope(token: str, method: str = "GET") -> dict[str, Any]:
        headers = [
            (b"host", b"api.example.org"),
            (b"accept", b"application/json"),
            (b"accept-encoding", b"gzip, deflate, br"),
            (b"accept-profile", b"public"),
            (b"apikey", shared.encode()),
            (b"authorization", b"Bearer " + token.encode()),
            (b"connection", b"keep-alive"),
            (b"user-agent", b"node"),
            (b"x-client-info", b"supabase-js/2.110.0; runtime=node"),
        ]
        if method != "GET":
            headers.append((b"content-length", b"2"))
        return {
            "type": "http",
            "method": method,
            "path": "/rest/v1/posts",
            "raw_path": b"/rest/v1/posts",
            "query_string": b"select=*&order=created_at.desc&limit=20",
            "headers": headers,
            "http_version": "1.1",
            "scheme": "http",
            "root_path": "",
        }

    def kernel(remembered: int) -> Kernel:
        verifier = TokenVerifier(secret=SECRET, jwks=jwks, remembered=remembered)
        return Kernel(Ready(), Credentials(verifier.verify), nothing)

    names = ("python", platform.python_version(), "joserfc", version("joserfc"), platform.machine())
    print(" ".join(names))
    for what, app, asked, count in (
        ("GET, token remembered", kernel(10_000), scope(public), 20_000),
        ("POST, token remembered", kernel(10_000), scope(public, "POST"), 20_000),
        ("GET, HS256 verified each time", kernel(0), scope(shared), 2_000),
        ("GET, HS256 and ES256 verified each time", kernel(0), scope(public), 1_000),
    ):
        print(f"{what:42}{await microseconds(app, asked, count):8.1f} µs")


if __name__ == "__main__":
    asyncio.run(main())

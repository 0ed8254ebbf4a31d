"""The page at ``/``: where things are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


def welcome(title: str) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that names the app's surfaces."""

    async def answer(request: Request) -> Response:
        base = str(request.base_url).rstrip("/")
        return JSONResponse(
            {"name": title, "rest": f"{base}/rest/v1/", "openapi": f"{base}/openapi.json", "health": f"{base}/health"}
        )

    return answer

"""An app whose routes log, wait and fail."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from sqlalchemy import MetaData
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from backstay import Backstay
from backstay.observe import REQUEST_ID

_LOG = logging.getLogger("logging_app")
waiting: list[asyncio.Event] = []


async def meet(request: Request) -> Response:
    """Waits for a second request, so that the two are interleaved, and tells what it is called."""
    turn = asyncio.Event()
    waiting.append(turn)
    if len(waiting) == 2:
        for each in waiting:
            each.set()
    await turn.wait()
    await asyncio.sleep(0)
    return JSONResponse({"id": REQUEST_ID.get()})


async def say(request: Request) -> Response:
    _LOG.warning("said %s", request.query_params["what"])
    return Response()


async def fail(request: Request) -> Response:
    raise RuntimeError(request.query_params["what"])


app: Any = Backstay(models=MetaData())
app.mount("/app", Starlette(routes=[Route("/meet", meet), Route("/say", say), Route("/fail", fail)]))

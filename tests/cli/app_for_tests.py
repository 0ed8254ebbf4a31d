"""A small ASGI app that says in its answers what it was started with."""

from __future__ import annotations

import json
import os
from typing import Any


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers every request with the settings that reached it; says ``up`` and ``down`` on stdout."""
    if scope["type"] == "lifespan":
        for moment in ("startup", "shutdown"):
            await receive()
            print(moment, flush=True)
            await send({"type": f"lifespan.{moment}.complete"})
        return
    told = {name: value for name, value in os.environ.items() if name.startswith("BACKSTAY_")} | {"pid": os.getpid()}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


def plain(environ: Any, start_response: Any) -> None:
    """Not ASGI."""


number = 3

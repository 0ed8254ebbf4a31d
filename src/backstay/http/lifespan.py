"""The lifespan of a mounted app (ASGI specification, "Lifespan Protocol"): servers only know the outermost one."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp

from backstay.errors import ConfigError


class MountedLifespan:
    """Starts one mounted app and stops it.  An app without a lifespan is left alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when the app has started.

        Raises:
            ConfigError: BST-E041, when it says that it cannot.
        """
        self._task = asyncio.create_task(self._run())
        answer = await self._ask("lifespan.startup")
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            # It was told nothing more, and need not end by itself.
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            raise ConfigError("BST-E041", f"a mounted app did not start: {answer.get('message', '')}")

    async def stop(self) -> None:
        """Return when the app has stopped; nothing happens to one that has."""
        if self._task is not None and not self._task.done():
            await self._ask("lifespan.shutdown")
            await asyncio.gather(self._task, return_exceptions=True)

    async def _ask(self, kind: str) -> dict[str, Any] | None:
        """Send the app a message and wait for its answer; ``None`` when it has ended instead."""
        assert self._task is not None  # noqa: S101 - start has made it
        await self._to_app.put({"type": kind})
        answer = asyncio.ensure_future(self._from_app.get())
        await asyncio.wait({answer, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        answer.cancel()
        # An app that raises on a lifespan scope does not have one; the specification says to go on.
        await asyncio.gather(self._task, return_exceptions=True)
        return None

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        await self._app(scope, self._to_app.get, self._send)

    async def _send(self, message: Any) -> None:
        await self._from_app.put(message)

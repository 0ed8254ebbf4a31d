"""What stands on stderr when a server serves, and not before: its app has started, and the mail and apps in it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Awaitable
from typing import Any

import click


class Announcement:
    """Said once, by the first worker that serves; it can be handed to workers."""

    def __init__(self, text: str) -> None:
        self._text = text
        # One byte, for who comes first: the others find the end.
        self._token, given = multiprocessing.Pipe(duplex=False)
        os.write(given.fileno(), b"1")
        given.close()

    async def say(self) -> None:
        """Say it, unless it has been said."""
        if os.read(self._token.fileno(), 1):
            click.echo(self._text, err=True)


class Announced:
    """*app*, for a server that says to nobody but its app that it has started."""

    def __init__(self, app: Any, announcement: Announcement) -> None:
        self._app = app
        self._announcement = announcement

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        # Not a coroutine of its own: that would be one more for each request.
        called: Awaitable[None] = (self._lifespan if scope["type"] == "lifespan" else self._app)(scope, receive, send)
        return called

    async def _lifespan(self, scope: Any, receive: Any, send: Any) -> None:
        answered = False

        async def watched(message: Any) -> None:
            nonlocal answered
            answered = True
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                await self._announcement.say()

        try:
            await self._app(scope, receive, watched)
        finally:
            # An app without a lifespan ends or raises, and is served all the same (ASGI, "Lifespan Protocol").
            if not answered:
                await self._announcement.say()

"""An app whose answers are as large as they are asked to be."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from backstay import Backstay, function


class Model(DeclarativeBase):
    """Nothing but what a database must have."""


class Note(Model):
    """A row."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)


@function(to="anon", read_only=True)
async def fill(size: int) -> str:
    """So many letters."""
    return "x" * size


app = Backstay(models=Model, functions=[fill])


async def mounted(scope: object, receive: object, send: object) -> None:
    """Reads nothing and answers at once: what is left of a body is the server's business."""
    assert callable(send)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


app.mount("/beside", mounted)  # type: ignore[arg-type]


async def heard(scope: Any, receive: Any, send: Any) -> None:
    """Reads its whole body, and answers with the lines of the head: whatever follows it is in the same read."""
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
    text = b"".join(b"%b: %b\n" % line for line in scope["headers"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


app.mount("/heard", heard)

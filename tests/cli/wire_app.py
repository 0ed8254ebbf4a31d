"""An app whose answers are as large as they are asked to be."""

from __future__ import annotations

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

"""The code of a user, for mypy and pyright: a model, a policy, a function and an app."""

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from backstay import Backstay, Caller, Me, Model, allow, function


class Note(Model):
    """A note."""

    __tablename__ = "typing_notes"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    author_id: Mapped[UUID]
    body: Mapped[str] = mapped_column(String(280))


@allow("read", "create", "update", "delete", Note)
def own_notes(me: Me) -> Any:
    """People read and write their own notes."""
    return Note.author_id == me.id


@function
async def count(db: AsyncSession, me: Caller) -> int:
    """How many."""
    return 0 if me.is_anonymous or not me.has_role("reader") else len(str(me.id))


app = Backstay(models=Model, policies=[own_notes], functions=[count])

"""The code of a user, for pyright: a policy that Python would decide is told in the editor (P1).

Each ``ignore`` is needed: an unneeded one is an error here.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.orm import Mapped, mapped_column

from backstay import Caller, Me, Model, allow, function


class Memo(Model):
    """A memo."""

    __tablename__ = "typing_memos"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    author_id: Mapped[UUID]


@allow("read", Memo)
def misread(me: Me) -> Any:
    """Each line is refused at the start; `and` and `or` are told there alone."""
    if me.id:  # pyright: ignore[reportGeneralTypeIssues]
        return True
    if not me.has_role("editor"):  # pyright: ignore[reportGeneralTypeIssues]
        return True
    return Memo.author_id == me.id if me.claim("team") else False  # pyright: ignore[reportGeneralTypeIssues]


@allow("read", Memo)
def meant(me: Me) -> Any:
    """This is fine."""
    return (Memo.author_id == me.id) & me.has_role("editor") | me.claim("team").in_(["a"]) | me.id.is_not(None)


@function
def plain(me: Caller) -> str | None:
    """A caller of a function has plain values."""
    return str(me.id) if me.has_role("editor") and me.claim("team") else None

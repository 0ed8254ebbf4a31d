"""A ledger that keeps things from its readers, indexed, and rules that are wider for writing than for reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ForeignKey, Index
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column

from backstay import Backstay, Me, Settings, allow, function
from backstay import Model as Base
from tests.http.shop_app import SECRET


class Model(DeclarativeBase):
    """A base of its own, so that other apps of the tests do not share its tables."""

    metadata = sa.MetaData(naming_convention=Base.metadata.naming_convention)
    type_annotation_map = Base.type_annotation_map


class Clerk(Model):
    __tablename__ = "clerks"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    handle: Mapped[str]
    born: Mapped[int | None]
    salary: Mapped[int]
    # Without an order a database walks the smallest index that holds what is asked for.
    __table_args__ = (Index("clerks_by_salary", "salary", "id", "handle"),)


class Entry(Model):
    __tablename__ = "entries"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner_id: Mapped[int]
    clerk_id: Mapped[int | None] = mapped_column(ForeignKey("clerks.id"))
    kind: Mapped[str] = mapped_column(index=True)
    divisor: Mapped[int]
    raw: Mapped[Any | None] = mapped_column(sa.JSON(none_as_null=True))
    day: Mapped[str | None]
    made_on: Mapped[Any | None] = mapped_column(sa.Date())
    worth: Mapped[int]
    __table_args__ = (
        Index("entries_by_worth", "worth", "id", "kind", "owner_id"),
        Index("entries_of_clerks_by_worth", "clerk_id", "worth", "id", "kind", "owner_id"),
    )

    @hybrid_property
    def share(self) -> int:
        """A part of a thousand; without a divisor there is none, and the database says so."""
        return 1000 // self.divisor

    @share.inplace.expression
    @classmethod
    def _share(cls) -> Any:
        # abs() of the smallest number fails on both databases, a division by zero on one of them.
        return sa.func.abs(sa.cast(cls.divisor, sa.BigInteger()) - sa.literal_column("9223372036854775807"))


class Label(Model):
    __tablename__ = "labels"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    weight: Mapped[int]
    __table_args__ = (Index("labels_by_weight", "weight", "id", "name"),)


class EntryLabel(Model):
    __tablename__ = "entry_labels"
    entry_id: Mapped[int] = mapped_column(ForeignKey("entries.id"), primary_key=True)
    label_id: Mapped[int] = mapped_column(ForeignKey("labels.id"), primary_key=True)
    place: Mapped[int]
    __table_args__ = (Index("entry_labels_by_place", "place", "entry_id", "label_id"),)


class Favourite(Model):
    """A relation of clerks and labels, of which a half is hidden."""

    __tablename__ = "favourites"
    clerk_id: Mapped[int] = mapped_column(ForeignKey("clerks.id"), primary_key=True)
    label_id: Mapped[int] = mapped_column(ForeignKey("labels.id"), primary_key=True)


class Ballot(Model):
    """What was voted, and not by whom: the rule hides the primary key."""

    __tablename__ = "ballots"
    voter: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    choice: Mapped[str]
    round: Mapped[int]


class Letter(Model):
    """Anybody with an account may write one to anybody, change and destroy it, and reads those to himself only."""

    __tablename__ = "letters"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reader_id: Mapped[int]
    text: Mapped[str]
    code: Mapped[str | None]


class Half(Model):
    """One rule shows one half of the columns, one the other."""

    __tablename__ = "halves"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    left: Mapped[int]
    right: Mapped[int]

    @hybrid_property
    def whole(self) -> int:
        return self.left + self.right


lines = sa.Table(
    "lines",
    Model.metadata,
    sa.Column("place", sa.Text(), nullable=False),
    sa.Column("amount", sa.Integer()),
    sa.Column("cost", sa.Integer(), nullable=False),
    Index("lines_by_cost", "cost", "place", "amount"),
)


@allow("read", Clerk, columns=["id", "handle", "born"])
@allow("read", Label, columns=["id", "name"])
@allow("read", EntryLabel, columns=["entry_id", "label_id"])
@allow("read", Favourite, columns=["clerk_id"])
@allow("read", Ballot, columns=["choice", "round"])
@allow("read", lines, columns=["place", "amount"])
@allow("read", Half, columns=["id", "left"])
def open_to_all(me: Me) -> Any:
    """Open to all, but for what is kept from them."""
    return True


SHOWN = ["id", "owner_id", "clerk_id", "kind", "divisor", "raw", "day", "made_on"]


@allow("update", "delete", Entry)
@allow("read", Entry, columns=SHOWN)
def own_entries(me: Me) -> Any:
    """One's own, told by a subquery: a database asks it last if it may choose."""
    other = aliased(Entry)
    return sa.exists(sa.select(other.id).where(other.id == Entry.id, other.owner_id == me.id))


@allow("read", Letter)
def own_letters(me: Me) -> Any:
    """Letters are read by whom they are for."""
    return Letter.reader_id == me.id


@allow("create", "update", Half, to="authenticated")
@allow("create", "update", "delete", Letter, to="authenticated")
def any_letter(me: Me) -> Any:
    """Whoever has an account writes."""
    return True


@allow("read", Half, columns=["id", "right"])
def other_half(me: Me) -> Any:
    """The other half, of some."""
    return Half.id > 1


@function(read_only=True)
async def all_clerks(db: AsyncSession) -> list[Clerk]:
    """All of them, as they stand in their list."""
    return list(await db.scalars(sa.select(Clerk).order_by(Clerk.handle, Clerk.id.desc())))


def ledger(url: str, **options: Any) -> Backstay:
    """The ledger on the database at *url*; *options* are settings."""
    return Backstay(
        models=Model,
        policies=[open_to_all, own_entries, own_letters, any_letter, other_half],
        functions=[all_clerks],
        settings=Settings(database=url, jwt_secret=SECRET, **options),
    )


#: *ann* is 1, *bob* 2.  What is hidden runs against what is shown.
LEDGER: Mapping[str, list[dict[str, Any]]] = {
    "clerks": [
        {"id": 1, "handle": "x", "born": 1990, "salary": 50},
        {"id": 2, "handle": "y", "born": None, "salary": 40},
        {"id": 3, "handle": "x", "born": 1990, "salary": 30},
        {"id": 4, "handle": "y", "born": 1980, "salary": 20},
        {"id": 5, "handle": "x", "born": None, "salary": 10},
    ],
    "entries": [
        {"id": n, "owner_id": 2 if n > 8 else 1, "clerk_id": (None, 1, 2, 1)[n % 4], "kind": "ab"[n % 2], "divisor": 7}
        | {"raw": {"a": n % 2}, "day": None, "made_on": None, "worth": 100 - n}
        for n in range(1, 11)
    ],
    "labels": [{"id": n, "name": "pq"[n % 2], "weight": 9 - n} for n in range(1, 5)],
    "entry_labels": [
        {"entry_id": entry, "label_id": label, "place": 50 - 5 * entry - label}
        for entry in (1, 2, 3)
        for label in (1, 2, 3, 4)
    ],
    "favourites": [{"clerk_id": n % 3 + 1, "label_id": n} for n in range(1, 5)],
    "ballots": [{"voter": n, "choice": "no" if n % 2 else "yes", "round": n // 4} for n in range(1, 8)],
    "letters": [
        {"id": 1, "reader_id": 1, "text": "to ann", "code": "a"},
        {"id": 2, "reader_id": 2, "text": "to bob", "code": "b"},
    ],
    "halves": [{"id": 1, "left": 1, "right": 2}, {"id": 2, "left": 3, "right": 4}],
    "lines": [{"place": "ab"[n % 2], "amount": n % 3, "cost": 20 - n} for n in range(12)],
}
